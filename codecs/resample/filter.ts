/** Pass-band edge, as a share of the lower of the two rates: 3.5 kHz of 8 kHz, which is all a telephone has. */
const PASS = 0.4375;
/** Stop-band edge. Above Nyquist (0.5) by as much as the band above the pass edge that may fold onto itself. */
const STOP = 0.5375;
const STOP_BAND_DB = 70;

/** Taps of a polyphase filter that turns `fromHz` into `toHz`: `up` phases of `taps` coefficients each. */
export interface Polyphase {
  readonly up: number;
  readonly down: number;
  readonly taps: number;
  /** Phase after phase; each in the order of the samples it meets, oldest first. */
  readonly table: Float64Array;
}

const gcd = (a: number, b: number): number => (b === 0 ? a : gcd(b, a % b));

/** Modified Bessel function of the first kind, order 0, by its power series. */
function bessel0(x: number): number {
  let sum = 1;
  let term = 1;
  for (let k = 1; term > sum * 1e-12; k++) {
    term *= (x / (2 * k)) ** 2;
    sum += term;
  }
  return sum;
}

const sinc = (x: number): number => (x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x));

/** A Kaiser-windowed sinc (Oppenheim and Schafer, §7.5.3), cut into phases, each with unit gain at 0 Hz. */
function design(fromHz: number, toHz: number): Polyphase {
  const common = gcd(fromHz, toHz);
  const up = toHz / common;
  const down = fromHz / common;
  const lowHz = Math.min(fromHz, toHz);
  const cutoff = (((PASS + STOP) / 2) * lowHz) / fromHz; // cycles per input sample
  const width = 2 * Math.PI * (((STOP - PASS) * lowHz) / fromHz);
  const taps = 4 * Math.ceil((STOP_BAND_DB - 7.95) / (2.285 * width) / 4);
  const beta = 0.1102 * (STOP_BAND_DB - 8.7);
  const table = new Float64Array(up * taps);
  for (let phase = 0; phase < up; phase++) {
    let gain = 0;
    for (let k = 0; k < taps; k++) {
      // Distance, in input samples, of tap k from the output instant: the filter's centre, `phase / up` into a sample.
      const t = k - (taps / 2 - 1) - phase / up;
      const inWindow = Math.max(0, 1 - ((2 * t) / taps) ** 2);
      const h = sinc(2 * cutoff * t) * bessel0(beta * Math.sqrt(inWindow));
      table[phase * taps + k] = h;
      gain += h;
    }
    for (let k = 0; k < taps; k++) table[phase * taps + k]! /= gain;
  }
  return { up, down, taps, table };
}

const designed = new Map<string, Polyphase>();

/** Designed once per pair of rates and kept; pairs come from a short list of ours, never from the wire. */
export function polyphase(fromHz: number, toHz: number): Polyphase {
  const key = `${fromHz}:${toHz}`;
  let filter = designed.get(key);
  if (filter === undefined) designed.set(key, (filter = design(fromHz, toHz)));
  return filter;
}
