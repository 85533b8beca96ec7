import { type Millis, NEVER } from '../../../kit/core.ts';

/** Of the rate: frames come in bursts, and their mean must fit. */
const FACTOR = 1.5;
/** What may leave at once. */
const BURST_MS = 40;
const LEAST_BURST_BYTES = 3000;

/**
 * A budget of bytes that fills with time. Whoever queues asks `ready` before each datagram, and comes back at `deadline`.
 * What must not wait (sound, feedback) is only spent; it leaves less for the rest.
 */
export class Pacer {
  /** Bytes a millisecond. */
  #rate = 0;
  #burst = LEAST_BURST_BYTES;
  #budget = LEAST_BURST_BYTES;
  #filledAt: Millis | undefined;

  /** Of the path, bit/s. */
  setRate(bps: number, now: Millis): void {
    this.#fill(now);
    this.#rate = (bps * FACTOR) / 8000;
    this.#burst = Math.max(LEAST_BURST_BYTES, this.#rate * BURST_MS);
  }

  /** A datagram may leave now. */
  ready(now: Millis): boolean {
    this.#fill(now);
    return this.#rate === 0 || this.#budget > 0;
  }

  /** A datagram of `bytes` left. The budget may go below zero, by at most one second's worth. */
  spend(bytes: number, now: Millis): void {
    this.#fill(now);
    this.#budget = Math.max(this.#budget - bytes, -1000 * this.#rate);
  }

  /** When `ready` will be true; NEVER when it is. */
  get deadline(): Millis {
    if (this.#rate === 0 || this.#budget > 0 || this.#filledAt === undefined) return NEVER;
    return this.#filledAt + (1 - this.#budget) / this.#rate;
  }

  #fill(now: Millis): void {
    const passedMs = Math.max(0, now - (this.#filledAt ?? now));
    this.#filledAt = Math.max(now, this.#filledAt ?? now);
    this.#budget = Math.min(this.#burst, this.#budget + passedMs * this.#rate);
  }
}
