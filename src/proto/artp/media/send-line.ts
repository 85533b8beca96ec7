import type { Feedback, Millis } from '../../../contract.ts';
import type { OutFlow } from './out-flow.ts';
import type { AudioPolicy, VideoPolicy } from './policy-types.ts';
import type { RateMeter } from './rate-meter.ts';
import type { RedBuilder } from './red-builder.ts';
import type { MediaKind } from './types.ts';

/** A track, as the line it is sent on sees it. */
export interface SendingTrack {
  readonly track: number;
  readonly kind: MediaKind;
  readonly clockRate: number;
  /** The other side wants something of the source. */
  told(f: Feedback, now: Millis): void;
  /** The other side asks for packets of a flow of this track again. */
  asked(ssrc: number, seqs: readonly number[], now: Millis): void;
}

/** What the tracks of one plane share when they send: numbers, policies, buffers, the way out. */
export interface SendLine {
  readonly audio: AudioPolicy;
  readonly video: VideoPolicy;
  readonly rttMs: number;
  readonly meters: Readonly<Record<MediaKind, RateMeter>>;
  /** Of the last audio packets in order, ms. */
  packetMs: number;
  /** What a packet of a source, and what is made from it, is sealed in: borrowed by `transmit`. */
  readonly out: Uint8Array;
  readonly extra: Uint8Array;
  /** Plain payloads of what is sent again or repairs. */
  readonly scratch: Uint8Array;
  readonly red: RedBuilder;
  count(reason: string): void;
  /** The next flow of a track, announced; undefined: no number is left until the other side follows to the next epoch. */
  begin(track: SendingTrack, seq: number, pts: number, now: Millis): OutFlow | undefined;
  forget(flow: OutFlow): void;
  /** False: the keys have changed, packets of this flow's epoch are not sealed any more. */
  isCurrent(flow: OutFlow): boolean;
  /** Before every seal: after enough packets the next key, if the other side follows. */
  spend(): void;
  /** A packet was sealed into `bytes`: out with it, and with its copies in time, or `atOnce`. */
  emit(
    bytes: Uint8Array,
    length: number,
    copies: number,
    twoPaths: boolean,
    now: Millis,
    atOnce?: boolean,
  ): void;
}
