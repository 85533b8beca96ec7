import type { Clock } from '../../src/contract.ts';
import { type Millis, NEVER } from '../../src/kit/core.ts';

/** One timer, for the earliest of the times it is set to. Whoever is woken sets it again. */
export class Alarm {
  readonly #clock: Clock;
  readonly #run: () => void;
  #at: Millis = NEVER;
  #disarm: () => void = () => {};

  constructor(clock: Clock, run: () => void) {
    this.#clock = clock;
    this.#run = run;
  }

  /** Goes off at `when`, or sooner if it was set so. */
  set(when: Millis): void {
    if (when >= this.#at) return;
    this.off();
    this.#at = when;
    this.#disarm = this.#clock.at(Math.max(this.#clock.now(), when), () => {
      this.#at = NEVER;
      this.#run();
    });
  }

  off(): void {
    this.#disarm();
    this.#disarm = () => {};
    this.#at = NEVER;
  }
}
