import { Band, saturate } from './band.ts';
import { ILN, ILP, Q6, QM2, QM4, QM6, QMF, WH, WL } from './tables.ts';

/** No product of G.722 leaves 32 bits. */
const { imul } = Math;

const lowBand = (): Band => new Band({ multiplier: WL, mostLog: 18432, shift: 8, first: 32 });
const highBand = (): Band => new Band({ multiplier: WH, mostLog: 22528, shift: 10, first: 8 });

/** LIMIT, G.722 §6.2.1.6: the sub-bands hold 15 bits. */
const limit15 = (v: number): number => (v > 16383 ? 16383 : v < -16384 ? -16384 : v);

/**
 * The receiving half, mode 1 (64 kbit/s, the only one of RTP: RFC 3551 §4.5.2). A byte holds one sample of each band:
 *
 *   7 6   5 4 3 2 1 0
 * +-----+-------------+
 * | high|     low     |   two samples at 16 kHz
 * +-----+-------------+
 */
export class SubbandDecoder {
  low = 0;
  high = 0;
  readonly #low = lowBand();
  readonly #high = highBand();
  readonly #sums = new Int32Array(24); // of the bands, twice over so that 12 in a row always are the last 12
  readonly #differences = new Int32Array(24);
  #at = 0;

  /** One byte to `low` and `high`, 15-bit samples at 8 kHz. */
  bands(byte: number): void {
    const il = byte & 63;
    const ih = byte >> 6;
    this.low = limit15(saturate(this.#low.predicted + (imul(this.#low.scale, QM6[il]!) >> 15)));
    this.#low.adapt(il >> 2, imul(this.#low.scale, QM4[il >> 2]!) >> 15);
    const difference = imul(this.#high.scale, QM2[ih]!) >> 15;
    this.high = limit15(saturate(this.#high.predicted + difference));
    this.#high.adapt(ih, difference);
  }

  /** All of `payload` to 16-bit PCM at 16 kHz, two samples a byte. */
  decode(payload: Uint8Array, pcm: Int16Array): void {
    const sums = this.#sums;
    const differences = this.#differences;
    for (let i = 0; i < payload.length; i++) {
      this.bands(payload[i]!);
      const at = (this.#at = this.#at === 0 ? 11 : this.#at - 1); // newest first
      differences[at] = differences[at + 12] = this.low - this.high;
      sums[at] = sums[at + 12] = this.low + this.high;
      let even = 0;
      let odd = 0;
      for (let k = 0; k < 12; k++) {
        even += imul(QMF[k]!, differences[at + k]!);
        odd += imul(QMF[11 - k]!, sums[at + k]!);
      }
      pcm[2 * i] = saturate(even >> 11);
      pcm[2 * i + 1] = saturate(odd >> 11);
    }
  }
}

/** The sending half, mode 1. */
export class SubbandEncoder {
  readonly #low = lowBand();
  readonly #high = highBand();
  readonly #even = new Int32Array(24);
  readonly #odd = new Int32Array(24);
  #at = 0;

  /** 16-bit PCM at 16 kHz, an even number of samples, to half as many bytes. */
  encode(pcm: Int16Array, payload: Uint8Array): void {
    for (let i = 0; i < payload.length; i++) payload[i] = this.#byte(pcm[2 * i]!, pcm[2 * i + 1]!);
  }

  #byte(first: number, second: number): number {
    const evens = this.#even;
    const odds = this.#odd;
    const at = (this.#at = this.#at === 0 ? 11 : this.#at - 1);
    evens[at] = evens[at + 12] = second; // the newest sample meets h(0)
    odds[at] = odds[at + 12] = first;
    let a = 0;
    let b = 0;
    for (let k = 0; k < 12; k++) {
      a += imul(QMF[k]!, evens[at + k]!);
      b += imul(QMF[11 - k]!, odds[at + k]!);
    }
    return (this.#encodeHigh((a - b) >> 14) << 6) | this.#encodeLow((a + b) >> 14);
  }

  /** QUANTL, INVQAL. */
  #encodeLow(sample: number): number {
    const band = this.#low;
    const difference = saturate(sample - band.predicted);
    const size = difference >= 0 ? difference : ~difference;
    let level = 1;
    while (level < 30 && size >= imul(Q6[level]!, band.scale) >> 12) level++;
    const code = difference < 0 ? ILN[level]! : ILP[level]!;
    band.adapt(code >> 2, imul(band.scale, QM4[code >> 2]!) >> 15);
    return code;
  }

  /** QUANTH, INVQAH. */
  #encodeHigh(sample: number): number {
    const band = this.#high;
    const difference = saturate(sample - band.predicted);
    const size = difference >= 0 ? difference : ~difference;
    const large = size >= imul(564, band.scale) >> 12;
    const code = difference < 0 ? (large ? 0 : 1) : large ? 2 : 3;
    band.adapt(code, imul(band.scale, QM2[code]!) >> 15);
    return code;
  }
}
