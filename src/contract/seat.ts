/** A leg's place in a room, and what it may ask for there. */
import type { Millis, Sink } from '../kit/core.ts';
import type { Termination } from '../kit/refusal.ts';
import type { Feedback, Format, MediaPacket, NewTrack, TrackInfo, TrackSource } from './media.ts';

/** A leg's place in a room: the only thing of a room a gateway ever sees. Process-local, wherever the room is. */
export interface Seat {
  readonly room: string;
  /** The participant's id and unique visible name, e.g. `alice` or `alice-2`. */
  readonly participant: string;
  publish(track: NewTrack, on: (f: Feedback) => void): Publication;
  want(want: Want, sink: Sink<MediaPacket>, on: (e: TrackEvent) => void): Subscription;
  /** Who is in the room and what changes; the first event is always a `roster`. For signalling legs. */
  watch(on: (e: RoomEvent) => void): () => void;
  /** Makes the participant visible to others: ACK, first media, a finished handshake. */
  confirmed(): void;
  /**
   * The network of the leg is gone for now (`true`), or back: its participant is `away` while all its legs are absent, and
   * keeps seat, tracks and id. No leave, no join; the leg itself decides when it has waited long enough.
   */
  absent(on: boolean): void;
  /** Idempotent. A `why` with reason `connection-lost` keeps the participant for the session keep time. */
  leave(why: Termination): void;
}

export type Want =
  /** Everyone's sound but one's own, in one stream. */
  | { readonly kind: 'mix'; readonly codec: Format; readonly ptimeMs: number }
  /** One track, passed through when `accept` allows, else transcoded. */
  | {
      readonly kind: 'track';
      readonly id: string;
      readonly accept: readonly Format[];
    }
  /** One member's sound or picture, whichever track carries it now. */
  | {
      readonly kind: 'member';
      readonly participant: string;
      readonly source: TrackSource;
      readonly accept: readonly Format[];
    }
  /** Sound of the `of` loudest members, this being slot `slot` (0-based). One call a slot; a member keeps its slot. */
  | {
      readonly kind: 'loudest';
      readonly slot: number;
      readonly of: number;
      readonly accept: readonly Format[];
    }
  /**
   * One picture of the room: who speaks (or what someone shares, while someone does), what is shared, or everyone in
   * one. `maxBps`: what the receiver may be sent; Infinity when it sets no limit.
   */
  | {
      readonly kind: 'picture';
      readonly source: 'speaker' | 'content' | 'grid';
      readonly accept: readonly Format[];
      readonly maxBps: number;
    }
  /** Cameras of `of` other members, this being slot `slot` (0-based); a member keeps its slot, more take turns by speaking. */
  | {
      readonly kind: 'cameras';
      readonly slot: number;
      readonly of: number;
      readonly accept: readonly Format[];
      readonly maxBps: number;
    };

export type TrackEvent =
  /** From now on the sink carries this; `how` is `passthrough`, `mix`, `grid` or `transcode A→B`. A new pts line begins. */
  | { readonly type: 'serving'; readonly track?: TrackInfo; readonly format: Format; readonly how: string }
  /** Nothing comes until the next `serving`. */
  | { readonly type: 'idle' }
  /** This want cannot be served; `why.text` says what is missing. */
  | { readonly type: 'unserved'; readonly why: Termination }
  /** It is served, but not as the room asks for (no grid, but who speaks); `why.text` says what is missing. */
  | { readonly type: 'lacking'; readonly why: Termination };

export interface Publication {
  readonly id: string;
  readonly sink: Sink<MediaPacket>;
  /** Ties media time to capture time, ms on a clock shared by the sync group: lip-sync. */
  clock(pts: number, captureMs: number): void;
  /** The stream goes on in another format (a re-INVITE, a new AVC header). */
  format(f: Format): void;
  pause(on: boolean): void;
  close(): void;
}

export interface Subscription {
  update(w: Want): void;
  feedback(f: Feedback): void;
  /**
   * Lip-sync: when what has `pts` (of the source served now) is to be heard or seen, on `Host.clock`. What was captured
   * together, or is heard together in a mix, has one time; it may lie in the past, or a little ahead. Follows clocks
   * slowly. Undefined before the first packet.
   */
  timeOf(pts: number): Millis | undefined;
  close(): void;
}

export interface MemberInfo {
  readonly participant: string;
  readonly display: string;
  /** Gateways of its legs, for the icon: `sip`, `rtmp`, `webrtc`. */
  readonly protocols: readonly string[];
  readonly muted: { readonly audio: boolean; readonly video: boolean };
  readonly state: 'here' | 'away';
  readonly tracks: readonly TrackInfo[];
}

export type RoomEvent =
  | { readonly type: 'roster'; readonly members: readonly MemberInfo[] }
  | { readonly type: 'member'; readonly member: MemberInfo }
  | { readonly type: 'left'; readonly participant: string; readonly why: Termination }
  /** Who speaks now, loudest first, participant ids. At most five a second. */
  | { readonly type: 'speaking'; readonly participants: readonly string[] }
  | { readonly type: 'text'; readonly from: string; readonly text: string };
