/**
 * Extends a wrapping counter (RTP sequence: 16 bits, RTP timestamp: 32 bits) to one that never wraps.
 * RFC 3550 A.1 in spirit: a step of less than half the range in either direction is taken as it is.
 */
export class Extender {
  #last: number | undefined;
  readonly #range: number;
  constructor(bits: 16 | 32) {
    this.#range = 2 ** bits;
  }

  /** The extended value of `wire`; never negative: the first is placed one range up. */
  extend(wire: number): number {
    if (this.#last === undefined) {
      this.#last = this.#range + wire;
      return this.#last;
    }
    const range = this.#range;
    let delta = (wire - (this.#last % range)) % range;
    if (delta > range / 2) delta -= range;
    else if (delta < -range / 2) delta += range;
    const value = this.#last + delta;
    if (delta > 0) this.#last = value;
    return value;
  }

  /** Forget the past, for a stream that began anew. */
  reset(): void {
    this.#last = undefined;
  }
}
