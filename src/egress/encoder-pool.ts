import type { Format } from '../contract.ts';
import { type Termination, terminationOf } from '../kit/refusal.ts';
import { type AudioEncoder, bitrateFor, type Codecs, type PcmRate } from './codecs.ts';

/** Opened in one go at most, when many begin to speak in the same block. */
const MAX_OPENING = 8;

/**
 * Encoders of one kind. Opening one is asynchronous but a voice that sets in cannot wait, so a pool may keep
 * `keep` of them ready.
 */
export class EncoderPool {
  /** Why no encoder can be had. */
  failure: Termination | undefined;
  readonly #format: Format;
  readonly #rate: PcmRate;
  readonly #ptimeMs: number;
  readonly #codecs: Codecs;
  readonly #spares: AudioEncoder[] = [];
  readonly #keep: number;
  #opening = 0;
  #closed = false;

  constructor(codecs: Codecs, format: Format, rate: PcmRate, ptimeMs: number, keep: number) {
    this.#codecs = codecs;
    this.#format = format;
    this.#rate = rate;
    this.#ptimeMs = ptimeMs;
    this.#keep = keep;
    this.#open();
  }

  /** An encoder, or undefined while it is being opened: ask again next block. */
  take(): AudioEncoder | undefined {
    const encoder = this.#spares.pop();
    if (
      encoder === undefined
        ? this.#keep > 0 || this.#opening === 0
        : this.#spares.length + this.#opening < this.#keep
    )
      this.#open();
    return encoder;
  }

  /** It may be used again: its past is no harm, a lane's priming covers it. */
  give(encoder: AudioEncoder): void {
    if (this.#closed || this.#spares.length >= this.#keep) encoder.close();
    else this.#spares.push(encoder);
  }

  /** Everyone has an encoder: keeps one ready, frees the rest. */
  settle(): void {
    while (this.#spares.length > this.#keep) this.#spares.pop()?.close();
  }

  close(): void {
    this.#closed = true;
    for (const encoder of this.#spares.splice(0)) encoder.close();
  }

  #open(): void {
    if (this.#closed || this.failure !== undefined || this.#opening >= MAX_OPENING) return;
    this.#opening++;
    const bitrateBps = bitrateFor(this.#format);
    this.#codecs
      .openEncoder(this.#format, this.#rate, { ptimeMs: this.#ptimeMs, ...(bitrateBps && { bitrateBps }) })
      .then(
        encoder => {
          this.#opening--;
          if (this.#closed) encoder.close();
          else this.#spares.push(encoder);
        },
        error => {
          this.#opening--;
          this.failure = terminationOf(error);
        },
      );
  }
}
