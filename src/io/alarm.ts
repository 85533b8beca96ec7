import type { Clock } from '../contract.ts';
import type { Millis } from '../kit/core.ts';

/**
 * The timer of something with a `deadline` that moves with every packet. One that moves away leaves the timer as it is:
 * `ring` looks again when it rings, which costs less than arming anew.
 */
export class Alarm {
  readonly #clock: Clock;
  readonly #ring: (now: Millis) => void;
  #armed = Number.POSITIVE_INFINITY;
  #disarm: (() => void) | undefined;
  #stopped = false;

  /** `ring` may come before the deadline: it is to compare, and to set the alarm again. */
  constructor(clock: Clock, ring: (now: Millis) => void) {
    this.#clock = clock;
    this.#ring = ring;
  }

  /** Ignored once stopped. */
  set(deadline: Millis): void {
    if (this.#stopped || deadline >= this.#armed) return;
    this.#disarm?.();
    this.#armed = deadline;
    this.#disarm = this.#clock.at(deadline, () => {
      this.#armed = Number.POSITIVE_INFINITY;
      this.#disarm = undefined;
      this.#ring(this.#clock.now());
    });
  }

  /** It never rings again. Idempotent. */
  stop(): void {
    this.#stopped = true;
    this.#disarm?.();
    this.#disarm = undefined;
  }
}
