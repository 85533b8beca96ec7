import type { Format } from '../../contract.ts';
import type { AudioDecoder, AudioEncoder, Codecs, PcmRate } from '../codecs.ts';
import type { GridOptions, TranscoderOptions, VideoGrid, VideoTranscoder } from '../video-codecs.ts';
import { FakeVideo } from './fake-video.ts';

/** Codecs that cost nothing and keep books: how many are open, how often each was called. */
export class CountingCodecs implements Codecs {
  readonly video = new FakeVideo();
  opened = 0;
  open = 0;
  encoders = 0;
  decoders = 0;
  encodes = 0;
  decodes = 0;
  /** Reason for opening to fail. */
  failure: Error | undefined;
  /** Opening waits for this. */
  gate: Promise<void> = Promise.resolve();

  missingFor(format: Format): string | undefined {
    return format.codec === 'AAC' ? 'AAC needs node-av, which is not installed.' : undefined;
  }

  missingForVideo(): string | undefined {
    return this.video.missingForVideo();
  }
  openVideoTranscoder(from: Format, to: Format, o: TranscoderOptions): Promise<VideoTranscoder> {
    return this.video.openVideoTranscoder(from, to, o);
  }
  openGrid(to: Format, o: GridOptions): Promise<VideoGrid> {
    return this.video.openGrid(to, o);
  }

  async openEncoder(
    format: Format,
    sampleRate: PcmRate,
    o: { ptimeMs?: number } = {},
  ): Promise<AudioEncoder> {
    await this.#opening();
    this.encoders++;
    const frameTicks = (format.clockRate * (o.ptimeMs ?? 20)) / 1000;
    const frame = (sampleRate * (o.ptimeMs ?? 20)) / 1000;
    let filled = 0;
    let pts = 0;
    let busy = false;
    const close = this.#closer(() => this.encoders--);
    return {
      format,
      sampleRate,
      frameTicks,
      encode: (pcm, sink) => {
        for (filled += pcm.length; filled >= frame; filled -= frame) {
          this.encodes++;
          busy = true;
          sink(new Uint8Array([pcm.some(v => v !== 0) ? 1 : 0]), pts);
          busy = false;
          pts += frameTicks;
        }
      },
      close() {
        if (busy) throw new Error('freed from inside its own encode: native memory would be gone');
        close();
      },
    };
  }

  async openDecoder(_format: Format, sampleRate: PcmRate): Promise<AudioDecoder> {
    await this.#opening();
    this.decoders++;
    const block = (value: number, samples = sampleRate / 50): Int16Array =>
      new Int16Array(samples).fill(value);
    return {
      sampleRate,
      badPackets: 0,
      decode: () => {
        this.decodes++;
        return block(1000);
      },
      conceal: samples => block(0, samples),
      recover: (_next, samples) => block(0, samples),
      close: this.#closer(() => this.decoders--),
    };
  }

  async #opening(): Promise<void> {
    await this.gate;
    if (this.failure !== undefined) throw this.failure;
    this.opened++;
    this.open++;
  }

  #closer(count: () => void): () => void {
    let closed = false;
    return () => {
      if (closed) return;
      closed = true;
      this.open--;
      count();
    };
  }
}
