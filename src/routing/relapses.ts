import type { Millis } from '../kit/core.ts';

/** A path must be good for so long before traffic moves to it. */
export const BETTER_FOR_MS = 3000;
/** One that failed so soon after it was taken is believed only after twice the time. */
const RELAPSE_MS = 60_000;
const MAX_WAIT_MS = 60_000;

/** How often each path was taken in vain. Which of them is in use, and why it is left, its owner says. */
export class Relapses {
  /** Of paths that are good no longer than they were waited for; a router that is gone is forgotten with `keep`. */
  readonly #waits = new Map<number, Millis>();
  #takenAt: Millis = Number.NEGATIVE_INFINITY;

  /** How long that path must be good before it is taken (again). */
  waitMs(via: number): Millis {
    return this.#waits.get(via) ?? BETTER_FOR_MS;
  }

  taken(now: Millis): void {
    this.#takenAt = now;
  }

  /** The path in use has failed: it is dead, or much worse than it was when it was taken. */
  failed(via: number, now: Millis): void {
    if (now - this.#takenAt >= RELAPSE_MS) this.#waits.delete(via);
    else this.#waits.set(via, Math.min(MAX_WAIT_MS, this.waitMs(via) * 2));
  }

  /** There are no other paths. */
  keep(has: (via: number) => boolean): void {
    for (const via of this.#waits.keys()) if (!has(via)) this.#waits.delete(via);
  }
}
