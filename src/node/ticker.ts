import type { Clock, Millis } from '../contract.ts';

/** Blocks of sound are this long everywhere. */
const TICK_MS = 20;

/** Calls everyone who asked every 20 ms, on an absolute schedule: a late call does not shift the next. Idle costs nothing. */
export class Ticker {
  readonly #clock: Clock;
  readonly #members = new Set<(now: Millis) => void>();
  #next: Millis = 0;
  #disarm: (() => void) | undefined;
  readonly #onBug: (error: unknown) => void;
  /** One who throws does not keep the others from their tick. */
  constructor(clock: Clock, onBug: (error: unknown) => void) {
    this.#clock = clock;
    this.#onBug = onBug;
  }

  add(tick: (now: Millis) => void): () => void {
    this.#members.add(tick);
    if (this.#disarm === undefined) {
      this.#next = this.#clock.now() + TICK_MS;
      this.#arm();
    }
    return () => {
      this.#members.delete(tick);
      if (this.#members.size > 0) return;
      this.#disarm?.();
      this.#disarm = undefined;
    };
  }

  #arm(): void {
    this.#disarm = this.#clock.at(this.#next, () => {
      const now = this.#clock.now();
      for (const tick of this.#members) this.#call(tick, now);
      this.#next += TICK_MS;
      if (this.#next < now - TICK_MS) this.#next = now; // after a stall: those who tick catch up by `now`
      if (this.#members.size > 0) this.#arm();
      else this.#disarm = undefined;
    });
  }

  #call(tick: (now: Millis) => void, now: Millis): void {
    try {
      tick(now);
    } catch (error) {
      this.#onBug(error);
    }
  }
}
