import { type AudioDecoder, openDecoder } from '../../codecs/audio.ts';
import type { Format, Millis } from '../../src/contract.ts';
import type { RtpReceiver } from '../../src/proto/rtp/receiver.ts';
import { levelDb as levelOf, strongestHz, toneDb } from './spectrum.ts';

/** The telephone band is enough to tell tones apart, and cheapest to look at. */
const RATE = 8000;
/** 250 ms: tones 10 Hz apart are two. */
const WINDOW_SAMPLES = RATE / 4;
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

/** Decodes what comes and listens to it. */
export class Ear {
  readonly receiver: RtpReceiver;
  /** When the first good packet came. */
  firstAt: Millis | undefined;
  readonly #decoders: ReadonlyMap<string, AudioDecoder>;
  #codecs: ReadonlyMap<number, string> = new Map();
  readonly #expectHz: number | undefined;
  readonly #window = new Int16Array(WINDOW_SAMPLES);
  readonly #loudest = new Int16Array(WINDOW_SAMPLES);
  #filled = 0;
  #nextSeq = -1;
  #levelDb = Number.NEGATIVE_INFINITY;
  #expectedDb = Number.NEGATIVE_INFINITY;

  /** Opens decoders for all that may come. Rejects with a Refusal when a codec cannot be had. */
  static async open(
    receiver: RtpReceiver,
    formats: readonly Format[],
    expectHz: number | undefined,
  ): Promise<Ear> {
    const decoders = new Map<string, AudioDecoder>();
    for (const format of formats) decoders.set(format.codec, await openDecoder(format, RATE));
    return new Ear(receiver, decoders, expectHz);
  }

  private constructor(
    receiver: RtpReceiver,
    decoders: ReadonlyMap<string, AudioDecoder>,
    expectHz: number | undefined,
  ) {
    this.receiver = receiver;
    this.#decoders = decoders;
    this.#expectHz = expectHz;
  }

  /** Payload types that come from now on; `asides` (telephone-event) are no sound. */
  expect(formats: ReadonlyMap<number, Format>, asides: ReadonlySet<number> = new Set()): void {
    this.#codecs = new Map([...formats].map(([payloadType, f]) => [payloadType, f.codec]));
    this.receiver.expect(new Map([...formats].map(([payloadType, f]) => [payloadType, f.clockRate])), asides);
  }

  /** One datagram of RTP; what is no packet of the stream is passed over. */
  rtp(bytes: Uint8Array, now: Millis): void {
    const { receiver } = this;
    if (receiver.read(bytes, now) !== undefined || receiver.aside) return;
    this.firstAt ??= now;
    const { seq, payload } = receiver.packet;
    if (seq !== this.#nextSeq) this.#filled = 0; // sound across a gap would look like another tone
    this.#nextSeq = seq + 1;
    const pcm = this.#decoders.get(this.#codecs.get(receiver.payloadType) ?? '')?.decode(payload) ?? [];
    for (let i = 0; i < pcm.length; i++) {
      this.#window[this.#filled++] = pcm[i] as number;
      if (this.#filled === WINDOW_SAMPLES) this.#look();
    }
  }

  /** As in `heard`; costs nothing. */
  get levelDb(): number | undefined {
    return this.#levelDb === Number.NEGATIVE_INFINITY ? undefined : this.#levelDb;
  }

  get heard(): Heard {
    const { levelDb } = this;
    if (levelDb === undefined) return {};
    return {
      levelDb,
      ...(levelDb > SILENCE_DB && { strongestHz: strongestHz(this.#loudest, RATE) }),
      ...(this.#expectHz !== undefined && { expectedDb: this.#expectedDb }),
    };
  }

  /** Idempotent. */
  close(): void {
    for (const decoder of this.#decoders.values()) decoder.close();
  }

  #look(): void {
    this.#filled = 0;
    const level = levelOf(this.#window);
    if (level > this.#levelDb) {
      this.#levelDb = level;
      this.#loudest.set(this.#window);
    }
    if (this.#expectHz !== undefined)
      this.#expectedDb = Math.max(this.#expectedDb, toneDb(this.#window, this.#expectHz, RATE));
  }
}
