/** Further apart than this, timestamp and sample count tell of a gap or another clock. */
const APART_MS = 60;

/**
 * Places sound on the publisher's time line by counting samples: its millisecond timestamps are rounded, and AAC
 * frames are 21⅓ ms. Where both disagree for real (lost frames, a pause, drift) the timestamp wins.
 */
export class SampleLine {
  readonly #clockRate: number;
  #base: number | undefined;
  #counted = 0;
  constructor(clockRate: number) {
    this.#clockRate = clockRate;
  }

  /** The offset, in ticks, to add to a position counted from the first sample, after `samples` more came at `ms`. */
  base(ms: number, samples: number): number {
    const stamped = Math.round((ms * this.#clockRate) / 1000);
    this.#base ??= stamped;
    const apart = stamped - (this.#base + this.#counted);
    if (Math.abs(apart) > (APART_MS * this.#clockRate) / 1000) this.#base += apart;
    this.#counted += samples;
    return this.#base;
  }

  /** Samples so far. */
  get counted(): number {
    return this.#counted;
  }
}
