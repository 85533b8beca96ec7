/** Hz, ITU-T Q.23. */
const ROWS = [697, 770, 852, 941] as const;
const COLUMNS = [1209, 1336, 1477, 1633] as const;
const KEYS = ['123A', '456B', '789C', '*0#D'] as const;

/** Samples of a block at 8 kHz: 12.75 ms, long enough to tell 697 from 770 Hz, three of them within the shortest key. */
const BLOCK = 102;
const BLOCK_MS = (BLOCK * 1000) / 8000;
const RATE_HZ = 8000;
/** ITU-T Q.24: a key lasts at least 40 ms; gaps shorter than this are within one. */
const BLOCKS_DOWN = 2;
const BLOCKS_UP = 2;
/** Mean square of a sample: about −36 dBm0. Quieter is no key. */
const QUIETEST = 130 * 130;
/** Of the energy of a block the two tones must have so much: speech has a voice around its tones. */
const PURITY = 0.75;
/** Q.24: the column may be 4 dB above its row, the row 8 dB above its column; a little more is let pass. */
const MAX_COLUMN_OVER_ROW = 10 ** 0.6;
const MAX_ROW_OVER_COLUMN = 10 ** 1;

const coefficients = (hz: readonly number[]): number[] =>
  hz.map(f => 2 * Math.cos((2 * Math.PI * f) / RATE_HZ));
const ROW_COEFFICIENTS = coefficients(ROWS);
const COLUMN_COEFFICIENTS = coefficients(COLUMNS);

export type DtmfHeard = (digit: string, ms: number) => void;

/**
 * Keys in the sound itself, for phones that know no telephone-event. Mono PCM at 8 kHz in, each key once, when it is let
 * go, with how long it was held. Goertzel's algorithm; ITU-T Q.23 (tones), Q.24 (levels and times).
 */
export class DtmfDetector {
  readonly #block = new Float64Array(BLOCK);
  readonly #heard: DtmfHeard;
  #filled = 0;
  #key: string | undefined;
  /** Blocks in a row with `#key`; 0 once it was let go. */
  #down = 0;
  /** Blocks in a row without it. */
  #up = 0;

  constructor(heard: DtmfHeard) {
    this.#heard = heard;
  }

  write(pcm: Int16Array): void {
    for (let i = 0; i < pcm.length; i++) {
      this.#block[this.#filled++] = pcm[i] as number;
      if (this.#filled < BLOCK) continue;
      this.#filled = 0;
      this.#next(keyOf(this.#block));
    }
  }

  #next(key: string | undefined): void {
    if (key !== undefined && key === this.#key) {
      this.#down += 1 + this.#up; // a dropout within a key is part of it
      this.#up = 0;
      return;
    }
    if (this.#key !== undefined && this.#down >= BLOCKS_DOWN && key === undefined && ++this.#up < BLOCKS_UP)
      return;
    this.#release();
    this.#key = key;
    this.#down = key === undefined ? 0 : 1;
  }

  #release(): void {
    if (this.#key !== undefined && this.#down >= BLOCKS_DOWN)
      this.#heard(this.#key, Math.round(this.#down * BLOCK_MS));
    this.#key = undefined;
    this.#down = this.#up = 0;
  }
}

function keyOf(block: Float64Array): string | undefined {
  let energy = 0;
  for (let i = 0; i < BLOCK; i++) energy += (block[i] as number) ** 2;
  if (energy < QUIETEST * BLOCK) return undefined;
  const row = strongest(block, ROW_COEFFICIENTS);
  const column = strongest(block, COLUMN_COEFFICIENTS);
  // A sine of all the energy has a Goertzel power of energy · N / 2.
  if (row.power + column.power < (PURITY * energy * BLOCK) / 2) return undefined;
  if (column.power > row.power * MAX_COLUMN_OVER_ROW || row.power > column.power * MAX_ROW_OVER_COLUMN)
    return undefined;
  return KEYS[row.index]?.[column.index];
}

function strongest(block: Float64Array, all: readonly number[]): { index: number; power: number } {
  let [index, power] = [0, -1];
  for (let i = 0; i < all.length; i++) {
    const p = goertzel(block, all[i] as number);
    if (p > power) [index, power] = [i, p];
  }
  return { index, power };
}

function goertzel(block: Float64Array, coefficient: number): number {
  let [one, two] = [0, 0];
  for (let i = 0; i < BLOCK; i++) {
    const next = (block[i] as number) + coefficient * one - two;
    two = one;
    one = next;
  }
  return one * one + two * two - coefficient * one * two;
}
