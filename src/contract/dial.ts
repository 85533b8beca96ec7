/** Calls out of rooms, and the lines they take. */
import type { Termination } from '../kit/refusal.ts';

/** Asks for a call out of a room. */
export interface DialRequest {
  /** Unique; names the call in the API. */
  readonly call: string;
  readonly room: string;
  /** An address of the front's protocol, or a number: `sip:bob@example.org`, `+4930123456`. */
  readonly to: string;
  /** The line to take; absent: the first whose rules take `to`. */
  readonly trunk?: string;
  /** Name of the member in the room; absent: what was dialled. */
  readonly display?: string;
  /** How long it may ring. */
  readonly timeoutMs?: number;
}

/** One step of a call out, in words. The last has the state `ended`. */
export interface DialStep {
  /** Unix ms. */
  readonly at: number;
  readonly state: 'calling' | 'ringing' | 'early' | 'up' | 'ended';
  /** Of the protocol, where it has one: 180, 486. */
  readonly status?: number;
  readonly text: string;
}

export interface Dialled {
  /** Another one when its agent has died and the call has gone on. */
  readonly leg: string;
  /** Withdraws the call, or ends it. Idempotent. */
  cancel(why: Termination): void;
}

/** How something is that a trunk depends on. */
export interface TrunkPart {
  /** A proxy's address, or an account's user. */
  readonly name: string;
  readonly state: 'up' | 'down' | 'unknown';
  /** The protocol's last status. */
  readonly status?: number;
  /** Since when it is in this state, Unix ms. */
  readonly since: number;
  /** An account: until when it is registered, Unix ms. */
  readonly until?: number;
  readonly text: string;
}

/** A line to elsewhere, and how it is. */
export interface TrunkState {
  readonly trunk: string;
  readonly gateway: string;
  readonly state: 'up' | 'down' | 'unknown';
  readonly text: string;
  readonly proxies: readonly TrunkPart[];
  readonly accounts: readonly TrunkPart[];
}

/** What a look at something found: one sentence. */
export interface Finding {
  readonly level: 'ok' | 'note' | 'error';
  readonly text: string;
}
