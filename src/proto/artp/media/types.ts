import type { Feedback, MediaPacket, Millis, Sink } from '../../../contract.ts';
import type { Rtcp } from '../../rtp/rtcp.ts';
import { MAX_DATAGRAM } from '../header.ts';
import type { KeyRing } from '../session/key-ring.ts';
import { TRAILER_BYTES } from '../trailer.ts';
import type { FlowStart } from './flow-start.ts';

export type MediaKind = 'audio' | 'video';

/** One path, or the best and its most disjoint companion. */
export type Spread = 'best' | 'both';

/** What `transmit` is handed has this many bytes: room for the longest packet and for a trailer behind it. */
export const SEND_BUFFER_BYTES = MAX_DATAGRAM + 4 * TRAILER_BYTES;

/**
 * What the other side must know to read a flow (FlowStart, `ssrc` that of its media), and which track it carries.
 * Plain JSON; sent reliably and in order, not necessarily before the flow's first packet arrives.
 */
export interface Announcement extends FlowStart {
  readonly track: number;
  readonly kind: MediaKind;
  readonly clockRate: number;
}

/** Of what may wait for announcements to catch up with the packets. */
export interface HoldLimits {
  readonly packets: number;
  readonly bytes: number;
  readonly ms: number;
}

export interface PlaneOptions {
  readonly keys: KeyRing;
  /** Playout delay redundancy may cost, ms; a lost sound that cannot come again within it is not asked for. Default 100. */
  readonly budgetMs?: number;
  /** What may wait to be announced; default HOLD. */
  readonly hold?: HoldLimits;
  readonly count: (reason: string) => void;
  /**
   * Sends a sealed packet: the first `sealedLength` of `bytes`, which is SEND_BUFFER_BYTES long and borrowed; behind
   * the packet the caller may write (a trailer), the packet itself is sent again as it is.
   */
  readonly transmit: (bytes: Uint8Array, sealedLength: number, spread: Spread, now: Millis) => void;
  readonly announce: (a: Announcement, now: Millis) => void;
  /** To be sealed and sent as one RTCP packet, unreliably: the plane repeats what matters. */
  readonly feedback: (parts: Rtcp[], now: Millis) => void;
}

/** Of a packet that came: it was authentic and new; a copy of one that was (not looked into again); or neither. */
export type Verdict = 'opened' | 'known' | 'junk';

/** A track on its way to the other side. */
export interface OutTrack {
  readonly sink: Sink<MediaPacket>;
  /** The next packet begins a new flow: told apart from what is still under way (another format). */
  renew(): void;
  close(): void;
  readonly stats: OutStats;
}

export interface OutStats {
  /** Of the source. */
  readonly packets: number;
  /** Payload of the source. */
  readonly bytes: number;
  /** All that was sent beside it, first copies' headers left out: RED blocks, copies, repair, retransmissions. */
  readonly redundancyBytes: number;
  /** Packets sent again because they were asked for, copies not counted. */
  readonly retransmitted: number;
  readonly repairPackets: number;
  readonly frames: number;
  /** In a word or two: `red 1,2,4 ×2`. */
  readonly policy: string;
}

/** A track of the other side. */
export interface InTrack {
  /** Told to the source of the track, repeated while it matters. A keyframe is asked for until one comes. */
  feedback(f: Feedback): void;
  /** What was sent before now is not wanted any more: another format begins. */
  renew(): void;
  close(): void;
  readonly stats: InStats;
}

export interface InStats {
  /** Handed to the sink, recovered ones included. */
  readonly packets: number;
  /** Of those, by redundancy, retransmission or repair. */
  readonly recovered: number;
  /** Never came; what may still come counts too. */
  readonly lost: number;
  /** Copies of what was here already. */
  readonly repeated: number;
  /** Packets asked for again, repeats not counted. */
  readonly asked: number;
  /** Video frames all of whose packets were handed on. */
  readonly frames: number;
}
