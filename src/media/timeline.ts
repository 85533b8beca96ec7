import type { Millis } from '../kit/core.ts';

/** How long the earliest arrival is looked for before the line follows it; at the beginning it does so at once. */
const WINDOW_MS = 2000;
/** Beyond this the stream jumped (a pause, another clock): follow at once. */
const JUMP_MS = 500;
/** Never follow faster than this per window: a player hears steps. */
const MAX_STEP_MS = 10;

/**
 * Media time of one stream on our clock, by when it arrives: the earliest arrivals are the undelayed ones. The line
 * follows them slowly, since the sender's clock is not ours.
 */
export class Timeline {
  readonly #clockRate: number;
  #offset: number | undefined;
  #earliest = Number.POSITIVE_INFINITY;
  #windowEnd: Millis = 0;
  /** A first picture is large and comes late: until then earlier arrivals set the line. */
  #settledAt: Millis = 0;
  constructor(clockRate: number) {
    this.#clockRate = clockRate;
  }

  /** An arrival: `pts` in ticks of this stream's clock. */
  arrived(pts: number, now: Millis): void {
    const lead = now - this.#ms(pts);
    if (this.#offset === undefined || lead < this.#offset - JUMP_MS) return this.#begin(lead, now);
    if (lead < this.#earliest) this.#earliest = lead;
    if (now < this.#settledAt && lead < this.#offset) this.#offset = lead;
    if (now < this.#windowEnd) return;
    const drift = this.#earliest - this.#offset;
    if (drift > JUMP_MS) return this.#begin(this.#earliest, now);
    this.#offset += Math.max(-MAX_STEP_MS, Math.min(MAX_STEP_MS, drift));
    this.#earliest = Number.POSITIVE_INFINITY;
    this.#windowEnd = now + WINDOW_MS;
  }

  /** Our clock's time of `pts`; undefined before an arrival. */
  at(pts: number): Millis | undefined {
    return this.#offset === undefined ? undefined : this.#ms(pts) + this.#offset;
  }

  #begin(lead: Millis, now: Millis): void {
    this.#offset = lead;
    this.#earliest = Number.POSITIVE_INFINITY;
    this.#settledAt = this.#windowEnd = now + WINDOW_MS;
  }

  #ms(pts: number): number {
    return (pts / this.#clockRate) * 1000;
  }
}

/** A measured time that is followed so slowly that nobody hears or sees it move; what is far off is taken at once. */
export class Steady {
  readonly #msPerSecond: number;
  readonly #jumpMs: number;
  #value: Millis | undefined;
  #at: Millis = 0;

  constructor(msPerSecond: number, jumpMs: Millis) {
    this.#msPerSecond = msPerSecond;
    this.#jumpMs = jumpMs;
  }

  /** Undefined before the first measurement. */
  get value(): Millis | undefined {
    return this.#value;
  }

  measured(ms: Millis, now: Millis): void {
    const value = this.#value;
    if (value === undefined || Math.abs(ms - value) > this.#jumpMs) this.#value = ms;
    else {
      const step = (this.#msPerSecond * Math.max(0, now - this.#at)) / 1000;
      this.#value = value + Math.max(-step, Math.min(step, ms - value));
    }
    this.#at = now;
  }
}
