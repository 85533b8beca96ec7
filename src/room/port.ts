import type {
  Feedback,
  Json,
  LegRequest,
  NewTrack,
  Publication,
  Role,
  RoomEvent,
  Termination,
  Who,
} from '../contract.ts';
import type { RoomSource } from '../media/room-source.ts';

/** A leg as one agent is asked to take it. */
export interface NumberedRequest extends LegRequest {
  /** See `JoinAsk.attempt`. */
  readonly attempt?: number;
}

export interface JoinAsk {
  readonly leg: string;
  /**
   * The how-manieth agent it is that was asked to take the leg; absent: the first. One that is silent is followed by
   * another, and may have taken it all the same: of two, the leg is the newer one's (ADR 0022).
   */
  readonly attempt?: number;
  readonly gateway: string;
  readonly who: Who;
  readonly roles: readonly Role[];
  readonly track?: 'screen';
  /** It was in this room already, at another process: only our own processes say so. */
  readonly reclaim?: Reclaim;
}

/** A participant as one of its legs knows it. */
export interface Reclaim {
  readonly participant: string;
  readonly display: string;
  readonly secret: string;
  /** By the room, not by itself. */
  readonly muted: { readonly audio: boolean; readonly video: boolean };
}

export interface Joined {
  readonly participant: string;
  readonly display: string;
  /** Resume secret of the participant: a later leg with it joins the same one. */
  readonly secret: string;
}

/** What a room tells one leg. */
export type LegNotice =
  | { readonly type: 'close'; readonly why: Termination }
  | { readonly type: 'mute'; readonly media: 'audio' | 'video'; readonly on: boolean }
  | { readonly type: 'fact'; readonly fact: Json };

/**
 * One process's way to one room: all its seats and its egress share it. Two implementations: the room itself
 * (same process) and the aRTP link (another process). Plain JSON but for the media sinks.
 */
export interface RoomPort extends RoomSource {
  /** Rejects with a Refusal: locked, full, banned, name taken. Nothing of the leg remains after a rejection. */
  join(ask: JoinAsk, on: (n: LegNotice) => void): Promise<Joined>;
  /** `id` is made by the caller, unique in the room: `<leg>/<n>`. */
  publish(leg: string, id: string, track: NewTrack, on: (f: Feedback) => void): Publication;
  /** Roster first, then changes. */
  watch(on: (e: RoomEvent) => void): () => void;
  /** Makes the leg's participant visible. Idempotent. */
  confirmed(leg: string): void;
  /** See `Seat.absent`. Idempotent. */
  absent(leg: string, on: boolean): void;
  /** Ends the leg and its publications. Idempotent. */
  leave(leg: string, why: Termination): void;
}
