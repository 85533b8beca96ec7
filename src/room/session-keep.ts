import type { Termination } from '../contract.ts';
import { type Millis, NEVER } from '../kit/core.ts';

/** How long the legs of a room that came from another process may take until their members are called away. */
export const RETURN_MS = 5000;

/** Legs of one absence that are remembered: a return may fail a few times. */
const MAX_LOST = 9;

/** A member that was away when it was written down. */
export interface SavedAbsence {
  /** How long its seat is kept yet. Absent: a leg of it lives, and waits for its network. */
  readonly leftMs?: number;
  /** Those it lost. */
  readonly legs: readonly string[];
}

/** The keeping of one participant's seat: until when, since its last leg is gone, and for which legs. */
export class SessionKeep {
  /** When the seat is given up; NEVER while a leg lives. */
  until: Millis = NEVER;
  /** Its legs are on their way, from or to another process that has the room: it is not called away. */
  expected = false;
  /** Until when it was kept for whoever has come back since, and has not shown itself yet. */
  #before: Millis = NEVER;
  /** The legs it lost since it was here last, so that their final end can be told apart. */
  #lost: readonly string[] = [];

  /** A leg has come. */
  came(): void {
    if (this.until !== NEVER) this.#before = this.until;
    this.until = NEVER;
    this.expected = false;
  }

  /** A leg has shown itself: the absence is over. */
  shown(): void {
    this.#before = NEVER;
    this.#lost = [];
  }

  /** The last leg, of a participant that was seen, is gone. False: the seat is not kept. */
  gone(leg: string, why: Termination, now: Millis, keepMs: number): boolean {
    if (why.reason === 'room-moved') {
      // This copy is not the room any more, and has yet to hear of it: who went on to the next one has not left the room.
      this.expected = true;
      this.until = now + Math.max(keepMs, RETURN_MS);
      return true;
    }
    const isLost = why.reason === 'connection-lost';
    // A return that failed is none: the seat stays as it was, no longer than it would have been. Who hangs up is gone.
    if (this.#before !== NEVER && (isLost || why.blame !== 'none')) this.until = this.#before;
    else if (isLost && keepMs > 0) this.until = now + keepMs;
    else return false;
    this.#lost = [...this.#lost.slice(-MAX_LOST), leg];
    return true;
  }

  /** Whether it waits for `leg`, or who comes in its place. */
  waitsFor(leg: string): boolean {
    return this.until !== NEVER && this.#lost.includes(leg);
  }

  /** What another process must know to go on with it. */
  saved(now: Millis): SavedAbsence {
    return { legs: this.#lost, ...(this.until !== NEVER && { leftMs: Math.max(0, this.until - now) }) };
  }

  /** `absence`: it was away already where the room was before. */
  restore(absence: SavedAbsence | undefined, now: Millis, keepMs: number): void {
    this.expected = absence === undefined;
    this.until = now + Math.max(absence?.leftMs ?? keepMs, RETURN_MS);
    this.#lost = absence?.legs ?? [];
  }
}
