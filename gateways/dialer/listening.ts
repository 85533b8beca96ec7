import type { Millis } from '../../src/contract.ts';
import { levelDb as levelOf, strongestHz, toneDb } from './spectrum.ts';

/** The telephone band is enough to tell tones apart, and cheapest to look at. */
export const LISTENING_HZ = 8000;
/** 250 ms: tones 10 Hz apart are two. */
const WINDOW_SAMPLES = LISTENING_HZ / 4;
/** Quieter than this has no pitch worth telling. */
const SILENCE_DB = -60;

export interface Heard {
  /** Of the loudest quarter second, dBFS of a sine's peak; undefined: nothing was decoded. */
  readonly levelDb?: number;
  /** Of the same quarter second; undefined in silence. */
  readonly strongestHz?: number;
  /** The expected tone where it was loudest, dBFS. */
  readonly expectedDb?: number;
}

/** What listens to a stream of sound, whatever brings it. */
export interface Hearing {
  /** When the first good packet came. */
  readonly firstAt: Millis | undefined;
  readonly packets: number;
  readonly lossPercent: number | undefined;
  readonly jitterMs: number | undefined;
  /** As in `heard`; costs nothing. */
  readonly levelDb: number | undefined;
  readonly heard: Heard;
}

/** Looks at PCM (mono, `LISTENING_HZ`) a quarter second at a time. */
export class Listening {
  readonly #expectHz: number | undefined;
  readonly #window = new Int16Array(WINDOW_SAMPLES);
  readonly #loudest = new Int16Array(WINDOW_SAMPLES);
  #filled = 0;
  #levelDb = Number.NEGATIVE_INFINITY;
  #expectedDb = Number.NEGATIVE_INFINITY;

  constructor(expectHz: number | undefined) {
    this.#expectHz = expectHz;
  }

  pcm(samples: Int16Array): void {
    for (let i = 0; i < samples.length; i++) {
      this.#window[this.#filled++] = samples[i] as number;
      if (this.#filled === WINDOW_SAMPLES) this.#look();
    }
  }

  /** Something is missing: sound across a gap would look like another tone. */
  gap(): void {
    this.#filled = 0;
  }

  get levelDb(): number | undefined {
    return this.#levelDb === Number.NEGATIVE_INFINITY ? undefined : this.#levelDb;
  }

  /** Of the expected tone, dBFS; −∞ before anything was heard. */
  get expectedDb(): number {
    return this.#expectedDb;
  }

  get heard(): Heard {
    const { levelDb } = this;
    if (levelDb === undefined) return {};
    return {
      levelDb,
      ...(levelDb > SILENCE_DB && { strongestHz: strongestHz(this.#loudest, LISTENING_HZ) }),
      ...(this.#expectHz !== undefined && { expectedDb: this.#expectedDb }),
    };
  }

  #look(): void {
    this.#filled = 0;
    const level = levelOf(this.#window);
    if (level > this.#levelDb) {
      this.#levelDb = level;
      this.#loudest.set(this.#window);
    }
    if (this.#expectHz !== undefined)
      this.#expectedDb = Math.max(this.#expectedDb, toneDb(this.#window, this.#expectHz, LISTENING_HZ));
  }
}
