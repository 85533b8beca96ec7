import { type AudioDecoder, openDecoder } from '../../codecs/audio.ts';
import type { Format, Millis } from '../../src/contract.ts';
import type { RtpReceiver } from '../../src/proto/rtp/receiver.ts';
import { type Heard, type Hearing, LISTENING_HZ, Listening } from './listening.ts';

/** Decodes RTP that comes and listens to it. */
export class Ear implements Hearing {
  readonly receiver: RtpReceiver;
  firstAt: Millis | undefined;
  readonly #decoders: ReadonlyMap<string, AudioDecoder>;
  readonly #listening: Listening;
  #codecs: ReadonlyMap<number, string> = new Map();
  #nextSeq = -1;

  /** Opens decoders for all that may come. Rejects with a Refusal when a codec cannot be had. */
  static async open(
    receiver: RtpReceiver,
    formats: readonly Format[],
    expectHz: number | undefined,
  ): Promise<Ear> {
    const decoders = new Map<string, AudioDecoder>();
    for (const format of formats) decoders.set(format.codec, await openDecoder(format, LISTENING_HZ));
    return new Ear(receiver, decoders, new Listening(expectHz));
  }

  private constructor(
    receiver: RtpReceiver,
    decoders: ReadonlyMap<string, AudioDecoder>,
    listening: Listening,
  ) {
    this.receiver = receiver;
    this.#decoders = decoders;
    this.#listening = listening;
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
    if (seq !== this.#nextSeq) this.#listening.gap();
    this.#nextSeq = seq + 1;
    const decoder = this.#decoders.get(this.#codecs.get(receiver.payloadType) ?? '');
    if (decoder !== undefined) this.#listening.pcm(decoder.decode(payload));
  }

  get packets(): number {
    return this.receiver.totals.packets;
  }

  get lossPercent(): number | undefined {
    const { packets, lost } = this.receiver.totals;
    return packets + lost > 0 ? (100 * lost) / (packets + lost) : undefined;
  }

  get jitterMs(): number | undefined {
    return this.packets > 1 ? this.receiver.reception.jitterMs : undefined;
  }

  get levelDb(): number | undefined {
    return this.#listening.levelDb;
  }

  get heard(): Heard {
    return this.#listening.heard;
  }

  /** Idempotent. */
  close(): void {
    for (const decoder of this.#decoders.values()) decoder.close();
  }
}
