/** Below this nothing is wrong: a wireless hop loses as much now and then (draft-ietf-rmcat-gcc §6 has these bounds). */
const FINE = 0.02;
const TOO_MUCH = 0.1;
/** So much cannot be chance: the line carries what arrived and no more. */
const OVERLOAD = 0.3;
const RISE = 1.15;
const LEAST_BPS = 50_000;
/** Smaller changes are not worth telling. */
const WORTH = 0.05;

/**
 * What a line takes, by what its receiver reports lost: for peers that measure no more than RTCP asks of them.
 * Silent until something is lost.
 */
export class LossEstimate {
  #bps = Number.POSITIVE_INFINITY;
  #told = Number.POSITIVE_INFINITY;

  /**
   * A report: the share lost since the last one (0 … 1), at `sentBps`; `maxBps` is what would be sent at most. What is
   * to be told, if anything.
   */
  report(lost: number, sentBps: number, maxBps: number): number | undefined {
    if (lost > TOO_MUCH && sentBps > 0) {
      const kept = 1 - (lost > OVERLOAD ? lost : lost / 2);
      this.#bps = Math.max(LEAST_BPS, Math.min(this.#bps, sentBps) * kept);
    } else if (lost < FINE) this.#bps = Math.min(maxBps, this.#bps * RISE);
    if (this.#told === Number.POSITIVE_INFINITY && this.#bps >= maxBps) return undefined;
    if (Math.abs(this.#bps - this.#told) < this.#told * WORTH && this.#bps < maxBps) return undefined;
    if (this.#bps === this.#told) return undefined;
    this.#told = this.#bps;
    return Math.round(this.#bps);
  }
}
