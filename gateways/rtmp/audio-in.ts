import { parseAacConfig } from '../../codecs/aac/config.ts';
import { levelOfPcm, openDecoder, openEncoder, openLevelMeter } from '../../codecs/audio.ts';
import type { Format, MediaPacket, Millis, Publication, StreamStats } from '../../src/contract.ts';
import { terminationOf } from '../../src/kit/refusal.ts';
import { type AudioTag, readAudioTag } from '../../src/proto/rtmp/flv.ts';
import { SampleLine } from './sample-line.ts';

const OPUS: Format = { codec: 'opus', clockRate: 48000, channels: 1 };
const OPUS_PASSED: Format = { codec: 'opus', clockRate: 48000, channels: 2 };
const PCM_RATE = 48000;
const SILENT = 127;
/** Frames kept while a codec is being opened: some seconds of AAC, for the first one loads a library. */
const MAX_WAITING = 200;

export interface AudioInNeeds {
  publish(format: Format): Publication;
  /** Tells the publisher and the ladder, in a sentence, that it is not heard. */
  soundless(text: string): void;
  note(text: string): void;
  drop(reason: string): void;
}

interface Frame {
  readonly payload: Uint8Array;
  readonly ms: number;
  readonly now: Millis;
}

/** What turns one kind of payload into room packets. Synchronous once it is open. */
interface Chain {
  readonly format: Format;
  readonly how: string;
  frame(f: Frame, emit: (payload: Uint8Array, pts: number, level: number) => void): void;
  close(): void;
}

/** The sound of a publisher: AAC becomes Opus here, once; G.711 and Opus go on as they are; the rest is told about. */
export class AudioIn {
  readonly #needs: AudioInNeeds;
  #publication: Publication | undefined;
  #chain: Chain | undefined;
  /** What the chain is made for: codec and config, to see a change. */
  #key = '';
  /** Number of the switch whose codec is being opened; 0: none is. */
  #opening = 0;
  #switches = 0;
  readonly #waiting: Frame[] = [];
  readonly #packet: MediaPacket = {
    seq: 0,
    pts: 0,
    marker: false,
    payload: new Uint8Array(0),
    level: SILENT,
  };
  #lastPts = Number.NEGATIVE_INFINITY;
  #clockAt = Number.NEGATIVE_INFINITY;
  #packets = 0;
  #bytes = 0;
  #paused = false;
  #closed = false;
  constructor(needs: AudioInNeeds) {
    this.#needs = needs;
  }

  /** True when it was sound, or told how sound is coded. */
  tag(body: Uint8Array, ms: number, now: Millis): boolean {
    const tag = readAudioTag(body);
    switch (tag.type) {
      case 'config':
        this.#config(tag);
        return true;
      case 'frame':
        this.#packets++;
        this.#bytes += tag.payload.length;
        this.#frame(tag, ms, now);
        return true;
      case 'unsupported':
        this.#switch(tag.codec, () => undefined);
        return true;
      case 'junk':
        this.#needs.drop('audio-tag');
        return false;
      case 'nothing':
        return false;
    }
  }

  pause(on: boolean): void {
    this.#paused = on;
    this.#publication?.pause(on);
  }

  stats(): StreamStats[] {
    if (this.#packets === 0) return [];
    const how = this.#chain?.how ?? 'no sound';
    const codec = this.#key.split('/')[0] ?? '';
    return [{ media: 'audio', direction: 'in', codec, how, packets: this.#packets, bytes: this.#bytes }];
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#chain?.close();
    this.#publication?.close();
    this.#waiting.length = 0;
  }

  #config(tag: Extract<AudioTag, { type: 'config' }>): void {
    if (tag.codec === 'opus') return; // frames say all we need
    const config = Buffer.from(tag.config).toString('hex');
    const read = parseAacConfig(tag.config);
    if (read === undefined) return this.#needs.drop('aac-config');
    const format: Format = {
      codec: 'AAC',
      clockRate: read.rateHz,
      channels: read.channels === 2 ? 2 : 1,
      fmtp: { config },
    };
    this.#switch(`AAC/${config}`, () => transcode(format));
  }

  #frame(tag: Extract<AudioTag, { type: 'frame' }>, ms: number, now: Millis): void {
    if (tag.codec === 'AAC') {
      if (!this.#key.startsWith('AAC/')) return this.#needs.drop('aac-before-config');
    } else if (tag.codec === 'opus') this.#switch('opus/', () => pass(OPUS_PASSED));
    else {
      const format: Format = { codec: tag.codec, clockRate: 8000, channels: 1 };
      this.#switch(`${tag.codec}/`, () => pass(format));
    }
    const frame = { payload: tag.payload, ms, now };
    if (this.#chain !== undefined) this.#forward(this.#chain, frame);
    else if (this.#opening === 0) this.#needs.drop('no-sound');
    else if (this.#waiting.length < MAX_WAITING) this.#waiting.push(frame);
    else this.#needs.drop('codec-opening');
  }

  /** Another codec or config from here on. `open` gives undefined when there is no way to carry it. */
  #switch(key: string, open: () => Promise<Chain> | undefined): void {
    if (key === this.#key) return;
    this.#key = key;
    this.#chain?.close();
    this.#chain = undefined;
    this.#waiting.length = 0;
    const opening = ++this.#switches;
    const codec = key.split('/')[0] as string;
    const promise = open();
    this.#opening = promise === undefined ? 0 : opening;
    if (promise === undefined)
      return this.#needs.soundless(`This stream has no sound here: ${codec} is not carried; send AAC.`);
    promise.then(
      chain => this.#opened(opening, chain),
      error => {
        if (opening !== this.#opening || this.#closed) return;
        this.#opening = 0;
        this.#waiting.length = 0;
        this.#needs.soundless(`This stream has no sound here: ${terminationOf(error).text}`);
      },
    );
  }

  #opened(opening: number, chain: Chain): void {
    if (opening !== this.#opening || this.#closed) return chain.close();
    this.#opening = 0;
    this.#chain = chain;
    if (this.#publication === undefined) {
      this.#publication = this.#needs.publish(chain.format);
      if (this.#paused) this.#publication.pause(true);
    } else this.#publication.format(chain.format);
    this.#lastPts = Number.NEGATIVE_INFINITY;
    this.#clockAt = Number.NEGATIVE_INFINITY;
    this.#needs.note(`sound: ${chain.how}`);
    for (const frame of this.#waiting.splice(0)) this.#forward(chain, frame);
  }

  #forward(chain: Chain, frame: Frame): void {
    const publication = this.#publication as Publication;
    chain.frame(frame, (payload, pts, level) => {
      if (pts <= this.#lastPts) return this.#needs.drop('audio-time-went-back');
      this.#lastPts = pts;
      const packet = this.#packet;
      packet.seq++;
      packet.pts = pts;
      packet.payload = payload;
      packet.level = level;
      const captureMs = (pts / chain.format.clockRate) * 1000;
      if (Math.abs(captureMs - this.#clockAt) >= 1000) {
        this.#clockAt = captureMs;
        publication.clock(pts, captureMs);
      }
      publication.sink(packet, frame.now);
    });
  }
}

async function transcode(format: Format): Promise<Chain> {
  const decoder = await openDecoder(format, PCM_RATE);
  const encoder = await openEncoder(OPUS, PCM_RATE).catch((error: unknown) => {
    decoder.close();
    throw error;
  });
  const line = new SampleLine(PCM_RATE);
  return {
    format: OPUS,
    how: `transcode ${format.codec}→opus`,
    frame(f, emit) {
      const pcm = decoder.decode(f.payload);
      const level = levelOfPcm(pcm);
      const base = line.base(f.ms, pcm.length);
      encoder.encode(pcm, (payload, pts) => emit(payload, base + pts, level));
    },
    close() {
      decoder.close();
      encoder.close();
    },
  };
}

async function pass(format: Format): Promise<Chain> {
  const meter = await openLevelMeter(format);
  const line = new SampleLine(format.clockRate);
  return {
    format,
    how: 'passthrough',
    frame(f, emit) {
      const at = line.counted;
      // G.711 has a byte a sample; Opus goes by its timestamps, which are whole milliseconds for whole frames.
      const base = format.codec === 'opus' ? f.ms * 48 : line.base(f.ms, f.payload.length) + at;
      emit(f.payload, base, meter.level(f.payload));
    },
    close: () => meter.close(),
  };
}
