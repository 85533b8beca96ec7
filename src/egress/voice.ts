import type { Format } from '../contract.ts';
import type { JitterPacket } from '../media/jitter-buffer.ts';
import { type AudioDecoder, blockSamples, type Codecs, type PcmRate } from './codecs.ts';

/** Longest packet plus a block: 240 ms + 20 ms. */
const FIFO_BLOCKS = 14;

/** One track's sound at one rate: its decoder, and the samples decoded but not played. */
export class Voice {
  /** The block `play` took out last. */
  readonly block: Int16Array;
  /** Mixes and transcodes that use it. */
  users = 0;
  readonly #fifo: Int16Array;
  readonly #rate: PcmRate;
  #filled = 0;
  #decoder: AudioDecoder | undefined;
  #state: 'shut' | 'opening' | 'open' | 'failed' = 'shut';

  constructor(rate: PcmRate) {
    this.#rate = rate;
    this.block = new Int16Array(blockSamples(rate));
    this.#fifo = new Int16Array(blockSamples(rate) * FIFO_BLOCKS);
  }

  get ready(): boolean {
    return this.#state === 'open' || this.#state === 'failed';
  }

  /** Opens the decoder, once; until it is there the voice is silent. */
  open(format: Format, codecs: Codecs, failed: () => void): void {
    if (this.#state !== 'shut') return;
    this.#state = 'opening';
    codecs.openDecoder(format, this.#rate).then(
      decoder => {
        if (this.#state !== 'opening') return decoder.close();
        this.#decoder = decoder;
        this.#state = 'open';
      },
      () => {
        if (this.#state !== 'opening') return;
        this.#state = 'failed';
        failed();
      },
    );
  }

  /** Begins after a pause: `ms` of silence stand for what was played without being decoded. */
  prefill(ms: number): void {
    this.#filled = 0;
    this.#pad(this.#samples(ms));
  }

  decode(p: JitterPacket, ms: number): void {
    this.#put(this.#decoder?.decode(p.payload), this.#samples(ms));
  }

  conceal(ms: number, successor: JitterPacket | undefined): void {
    const n = this.#samples(ms);
    this.#put(successor ? this.#decoder?.recover(successor.payload, n) : this.#decoder?.conceal(n), n);
  }

  silence(ms: number): void {
    this.#pad(this.#samples(ms));
  }

  play(): void {
    const n = this.block.length;
    if (this.#filled < n) this.#pad(n - this.#filled);
    this.block.set(this.#fifo.subarray(0, n));
    this.#fifo.copyWithin(0, n, this.#filled);
    this.#filled -= n;
  }

  /** Frees the decoder; `open` may come again. */
  close(): void {
    this.#decoder?.close();
    this.#decoder = undefined;
    this.#state = 'shut';
    this.#filled = 0;
  }

  #samples(ms: number): number {
    return Math.round((ms * this.#rate) / 1000);
  }

  /** Exactly `n` samples, whatever the decoder gave: a wrong packet must not move this voice in time. */
  #put(pcm: Int16Array | undefined, n: number): void {
    const room = Math.min(n, this.#fifo.length - this.#filled);
    const got = Math.min(room, pcm?.length ?? 0);
    if (pcm !== undefined) this.#fifo.set(got === pcm.length ? pcm : pcm.subarray(0, got), this.#filled);
    this.#filled += got;
    this.#pad(room - got);
  }

  #pad(n: number): void {
    const end = Math.min(this.#fifo.length, this.#filled + n);
    this.#fifo.fill(0, this.#filled, end);
    this.#filled = end;
  }
}
