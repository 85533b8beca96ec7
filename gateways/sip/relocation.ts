import type { Termination } from '../../src/contract.ts';
import { type Millis, NEVER } from '../../src/kit/core.ts';
import { MOVED } from './call-ends.ts';

/** How long another agent is sought for a call without one: one that is started again may be there by then. */
const SEEK_MS = 5000;
/** The platform says no before. */
const LEAVE_MS = 10_000;
/** Between two tries: doubled from the one to the other. */
const FIRST_WAIT_MS = 250;
const LAST_WAIT_MS = 1000;

/** The search for another agent for a call whose own has died, or is to be left: when to ask, and what came of it. */
export class Relocation {
  /** How the call ends when nobody takes it. */
  readonly why: Termination;
  /** There is a new leg. */
  placed = false;
  /** What it has to say. */
  description: string | undefined;
  readonly #giveUpAt: Millis;
  #askAt: Millis;
  #waitMs = FIRST_WAIT_MS;

  constructor(why: Termination, now: Millis) {
    this.why = why;
    this.#giveUpAt = now + (why === MOVED ? LEAVE_MS : SEEK_MS);
    this.#askAt = now;
  }

  get deadline(): Millis {
    return Math.min(this.#askAt, this.#giveUpAt);
  }

  /** `ask` is said once a try. */
  due(now: Millis): 'ask' | 'give-up' | undefined {
    if (now >= this.#giveUpAt) return 'give-up';
    if (now < this.#askAt) return undefined;
    this.#askAt = NEVER;
    return 'ask';
  }

  /** Nothing came of the last try. */
  failed(now: Millis): void {
    this.placed = false;
    this.description = undefined;
    this.#askAt = now + this.#waitMs;
    this.#waitMs = Math.min(LAST_WAIT_MS, this.#waitMs * 2);
  }
}
