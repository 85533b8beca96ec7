import type { Format } from '../contract.ts';
import type { Millis } from '../kit/core.ts';
import type { Termination } from '../kit/refusal.ts';
import { blockSamples, type Codecs, nativeRate, type PcmRate } from './codecs.ts';
import type { Ear } from './ear.ts';
import { EncoderPool } from './encoder-pool.ts';
import { Lane, type Listener } from './lane.ts';

const PTIME_MS = 20;

export interface TranscodeListener extends Listener {
  readonly serving: (encoded: Format) => void;
  readonly failed: (why: Termination) => void;
}

/** One track in another codec, encoded once for all of this process who want it so. */
export class Transcode {
  readonly #ear: Ear;
  readonly #rate: PcmRate;
  readonly #pool: EncoderPool;
  readonly #silence: Int16Array;
  readonly #listeners = new Set<TranscodeListener>();
  readonly #done: () => void;
  #lane: Lane | undefined;

  /** `done` gives the ear back. */
  constructor(ear: Ear, from: Format, to: Format, codecs: Codecs, done: () => void) {
    this.#ear = ear;
    this.#done = done;
    this.#rate = transcodeRate(from, to);
    this.#silence = new Int16Array(blockSamples(this.#rate));
    this.#pool = new EncoderPool(codecs, to, this.#rate, PTIME_MS, 0);
    ear.use(this.#rate, true);
  }

  /** As of its ear. */
  get delayMs(): Millis | undefined {
    return this.#ear.delayMs;
  }

  add(listener: TranscodeListener): void {
    this.#listeners.add(listener);
  }

  delete(listener: TranscodeListener): void {
    this.#listeners.delete(listener);
    this.#lane?.delete(listener);
  }

  block(block: number, now: Millis): void {
    this.#open();
    const lane = this.#lane;
    if (lane === undefined) return this.#refuseAll();
    const at = block * this.#silence.length;
    if (lane.listeners.size === 0) lane.begin(at, undefined);
    for (const listener of this.#listeners) {
      if (lane.listeners.has(listener)) continue;
      listener.serving(lane.encoder.format);
      if (this.#listeners.has(listener)) lane.add(listener, at);
    }
    lane.push(this.#ear.pcm(this.#rate) ?? this.#silence, at, now);
  }

  close(): void {
    this.#listeners.clear();
    this.#ear.release(this.#rate, true);
    this.#lane?.encoder.close();
    this.#pool.close();
    this.#done();
  }

  #open(): void {
    if (this.#lane !== undefined) return;
    const encoder = this.#pool.take();
    if (encoder !== undefined) this.#lane = new Lane(encoder);
  }

  #refuseAll(): void {
    const { failure } = this.#pool;
    if (failure === undefined) return;
    for (const listener of this.#listeners) {
      this.#listeners.delete(listener);
      listener.failed(failure);
    }
  }
}

/** The narrower of both codecs' own rates. */
const transcodeRate = (from: Format, to: Format): PcmRate => {
  const a = nativeRate(from);
  const b = nativeRate(to);
  return to.codec !== 'AAC' && a < b ? a : b;
};
