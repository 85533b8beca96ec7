import { ILB } from './tables.ts';

/** No product of G.722 leaves 32 bits. */
const { imul } = Math;

export const saturate = (v: number): number => (v > 32767 ? 32767 : v < -32768 ? -32768 : v);

/** What tells the low band's adaptation from the high band's: ITU-T G.722 §3.3, §6.2.1.3. */
export interface BandKind {
  /** Log scale factor multiplier by code. */
  readonly multiplier: Int32Array;
  readonly mostLog: number;
  /** Shift of the linear scale factor: 8 (SCALEL) or 10 (SCALEH). */
  readonly shift: number;
  /** The scale factor of a reset. */
  readonly first: number;
}

/**
 * One sub-band's adaptive quantizer scale and adaptive predictor (2 poles, 6 zeros): the state that encoder and
 * decoder keep in step. Fixed-point, bit for bit as G.722 §6.2.1.3–4 and §6.2.2 define it.
 */
export class Band {
  /** Scale factor of the quantizer (DETL, DETH). */
  scale: number;
  /** Prediction of the next sample (SL, SH). */
  predicted = 0;
  #log = 0; // NBL, NBH
  #zeros = 0; // SZ: the zeros' part of the prediction
  #pole1 = 0;
  #pole2 = 0;
  #rebuilt1 = 0; // RLT1, RLT2 doubled and saturated, as FILTEP wants them
  #rebuilt2 = 0;
  #partial1 = 0; // PLT1, PLT2
  #partial2 = 0;
  readonly #taps = new Int32Array(6); // BL1 … BL6
  readonly #past = new Int32Array(6); // DLT1 … DLT6
  readonly #kind: BandKind;

  constructor(kind: BandKind) {
    this.#kind = kind;
    this.scale = kind.first;
  }

  /** Takes the quantized difference that `code` stood for, and makes the next scale and prediction. */
  adapt(code: number, difference: number): void {
    this.#rescale(code);
    const partial = saturate(this.#zeros + difference); // PARREC
    const rebuilt = saturate(this.predicted + difference); // RECONS
    this.#movePoles(partial);
    this.#moveZeros(difference);
    this.#rebuilt2 = this.#rebuilt1;
    this.#rebuilt1 = saturate(rebuilt + rebuilt);
    this.#partial2 = this.#partial1;
    this.#partial1 = partial;
    const poles = saturate(
      (imul(this.#pole1, this.#rebuilt1) >> 15) + (imul(this.#pole2, this.#rebuilt2) >> 15), // FILTEP
    );
    this.predicted = saturate(poles + this.#zeros); // PREDIC
  }

  /** LOGSCL and SCALEL (LOGSCH and SCALEH). */
  #rescale(code: number): void {
    const { multiplier, mostLog, shift } = this.#kind;
    const log = (imul(this.#log, 127) >> 7) + multiplier[code]!;
    this.#log = log < 0 ? 0 : log > mostLog ? mostLog : log;
    const down = shift - (this.#log >> 11);
    const linear = ILB[(this.#log >> 6) & 31]!;
    this.scale = (down < 0 ? linear << -down : linear >> down) << 2;
  }

  /** UPPOL2, then UPPOL1. A sign counts as positive at zero, so arithmetic shifts compare them. */
  #movePoles(partial: number): void {
    const same1 = (partial ^ this.#partial1) >= 0;
    const same2 = (partial ^ this.#partial2) >= 0;
    const lean = saturate(this.#pole1 << 2);
    const second =
      (same2 ? 128 : -128) + ((same1 ? saturate(-lean) : lean) >> 7) + (imul(this.#pole2, 32512) >> 15);
    this.#pole2 = second > 12288 ? 12288 : second < -12288 ? -12288 : second;
    const first = (same1 ? 192 : -192) + (imul(this.#pole1, 32640) >> 15);
    const most = 15360 - this.#pole2;
    this.#pole1 = first > most ? most : first < -most ? -most : first;
  }

  /** UPZERO, the shift of the past differences, and FILTEZ. */
  #moveZeros(difference: number): void {
    const taps = this.#taps;
    const past = this.#past;
    const step = difference === 0 ? 0 : 128;
    let sum = 0;
    for (let i = 5; i >= 0; i--) {
      const tap = saturate(((past[i]! ^ difference) >= 0 ? step : -step) + (imul(taps[i]!, 32640) >> 15));
      taps[i] = tap;
      const shifted = i === 0 ? difference : past[i - 1]!;
      past[i] = shifted;
      sum += imul(tap, saturate(shifted + shifted)) >> 15;
    }
    this.#zeros = saturate(sum);
  }
}
