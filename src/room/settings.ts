import type { Layout } from '../media/room-source.ts';

/** What an admin may set for a room, before or while it lives. */
export interface RoomSettings {
  /** Asked of everyone who brings no token: sent where the token would be. */
  readonly pin?: string;
  readonly maxParticipants: number;
  /** True: nobody new comes in; who is here (or away) stays. */
  readonly locked: boolean;
  /** What one-picture legs see. */
  readonly layout: Layout;
}

/** Times of a room, ms. */
export interface RoomTimes {
  /** How long a participant whose last leg was lost stays `away`. */
  readonly sessionKeepMs: number;
  /** How long a kicked member may not come back. */
  readonly banMs: number;
}
