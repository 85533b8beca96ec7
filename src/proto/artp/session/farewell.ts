import type { Millis, Termination } from '../../../contract.ts';

const REPEAT_MS = 100;
const PATIENCE_MS = 1000;

/** CLOSE on its way: repeated until it is acknowledged, or for a second. */
export class Farewell {
  readonly why: Termination;
  readonly #until: Millis;
  #nextAt: Millis;

  constructor(why: Termination, now: Millis) {
    this.why = why;
    this.#until = now + PATIENCE_MS;
    this.#nextAt = now;
  }

  get deadline(): Millis {
    return Math.min(this.#nextAt, this.#until);
  }
  isOver(now: Millis): boolean {
    return now >= this.#until;
  }
  /** True when it is to be said (again), which it then was. */
  takeTurn(now: Millis): boolean {
    if (now < this.#nextAt) return false;
    this.#nextAt = now + REPEAT_MS;
    return true;
  }
}
