import type { Millis } from '../../src/contract.ts';

/** How long the earliest arrival is looked for before the line follows it. */
const WINDOW_MS = 2000;
/** Beyond this the stream jumped (a pause, another clock): follow at once. */
const JUMP_MS = 500;
/** Never follow faster than this per window: a player hears steps. */
const MAX_STEP_MS = 10;

/**
 * Media time of one stream to a player's clock, ms. A subscription carries no capture clock, so sound and picture are
 * lined up by when they arrive: the earliest arrivals are the undelayed ones. The line then follows slowly, since the
 * publisher's clock is not ours.
 */
export class Timeline {
  readonly #clockRate: number;
  #offset: number | undefined;
  #earliest = Number.POSITIVE_INFINITY;
  #windowEnd: Millis = 0;
  constructor(clockRate: number) {
    this.#clockRate = clockRate;
  }

  /** An arrival: `pts` in ticks of this stream's clock. */
  arrived(pts: number, now: Millis): void {
    const lead = now - this.#ms(pts);
    if (this.#offset === undefined) {
      this.#offset = lead;
      this.#windowEnd = now + WINDOW_MS;
    }
    this.#earliest = Math.min(this.#earliest, lead);
    if (lead < this.#offset - JUMP_MS) this.#offset = lead;
    if (now < this.#windowEnd) return;
    const drift = this.#earliest - this.#offset;
    this.#offset += Math.abs(drift) > JUMP_MS ? drift : Math.max(-MAX_STEP_MS, Math.min(MAX_STEP_MS, drift));
    this.#earliest = Number.POSITIVE_INFINITY;
    this.#windowEnd = now + WINDOW_MS;
  }

  /** Our clock's time of `pts`; only after an arrival. */
  at(pts: number): Millis {
    return this.#ms(pts) + (this.#offset ?? 0);
  }

  #ms(pts: number): number {
    return (pts / this.#clockRate) * 1000;
  }
}
