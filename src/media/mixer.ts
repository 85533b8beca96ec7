/**
 * Sums of voices and their way back to 16 bits. Sums are 32 bits wide and exact, so one's own voice leaves the
 * sum without a trace: minus-one is subtraction before limiting, never after.
 */

/** Adds `pcm` to `sum`; both of one block's length. */
export function accumulate(sum: Int32Array, pcm: Int16Array): void {
  const n = Math.min(sum.length, pcm.length);
  for (let i = 0; i < n; i++) sum[i] = (sum[i] as number) + (pcm[i] as number);
}

/** What the limiter holds peaks under, with a little air below full scale. */
const CEILING = 31_000;
/** Gain comes back by this factor a block: about 20 dB a second. */
const RELEASE_PER_BLOCK = 1.05;

/** Keeps one mix inside 16 bits by turning it down, not by cutting its tops. One a mix: it remembers its gain. */
export class Limiter {
  gain = 1;

  /** `out` = `sum` (− `own`), limited. `attackSamples`: how fast the gain may fall, about 2 ms. */
  apply(sum: Int32Array, own: Int32Array | undefined, out: Int16Array, attackSamples: number): void {
    const from = this.gain;
    const to = this.#gainFor(peakOf(sum, own));
    this.gain = to;
    const n = out.length;
    const ramp = to < from ? Math.min(attackSamples, n) : n;
    for (let i = 0; i < n; i++) {
      const value = own === undefined ? (sum[i] as number) : (sum[i] as number) - (own[i] as number);
      const gain = from === to || i >= ramp ? to : from + ((to - from) * i) / ramp;
      const limited = Math.round(value * gain);
      out[i] = limited > 32767 ? 32767 : limited < -32768 ? -32768 : limited;
    }
  }

  #gainFor(peak: number): number {
    const needed = peak > CEILING ? CEILING / peak : 1;
    return needed < this.gain ? needed : Math.min(needed, this.gain * RELEASE_PER_BLOCK);
  }
}

function peakOf(sum: Int32Array, own: Int32Array | undefined): number {
  let peak = 0;
  for (let i = 0; i < sum.length; i++) {
    const value = Math.abs(own === undefined ? (sum[i] as number) : (sum[i] as number) - (own[i] as number));
    if (value > peak) peak = value;
  }
  return peak;
}
