import { type AudioDecoder, openDecoder } from '../../codecs/audio.ts';
import { type Avcc, readAvcc } from '../../codecs/h264/avcc.ts';
import { readLengthPrefixed } from '../../codecs/h264/nal.ts';
import type { Format, Millis } from '../../src/contract.ts';
import { type AudioTag, readAudioTag, readVideoTag } from '../../src/proto/rtmp/flv.ts';
import type { Eye } from './eye.ts';
import { type Heard, type Hearing, LISTENING_HZ, Listening } from './listening.ts';

/** What is played by RTMP: listens to its sound, shows its pictures to an eye. */
export class RtmpView implements Hearing {
  firstAt: Millis | undefined;
  packets = 0;
  /** TCP loses nothing, and brings things when it can: its jitter says nothing of the line. */
  readonly lossPercent = undefined;
  readonly jitterMs = undefined;
  readonly #listening: Listening;
  readonly #eye: Eye | undefined;
  readonly #note: (text: string) => void;
  #decoder: AudioDecoder | undefined;
  #config = '';
  #avcc: Avcc | undefined;
  #closed = false;

  constructor(o: {
    readonly expectHz: number | undefined;
    readonly eye: Eye | undefined;
    readonly note: (text: string) => void;
  }) {
    this.#listening = new Listening(o.expectHz);
    this.#eye = o.eye;
    this.#note = o.note;
  }

  media(
    { media, timestampMs, body }: { media: 'audio' | 'video'; timestampMs: number; body: Uint8Array },
    now: Millis,
  ): void {
    if (media === 'audio') this.#audio(readAudioTag(body), now);
    else this.#video(body, timestampMs, now);
  }

  get levelDb(): number | undefined {
    return this.#listening.levelDb;
  }

  /** Of the expected tone, dBFS. */
  get expectedDb(): number {
    return this.#listening.expectedDb;
  }

  get heard(): Heard {
    return this.#listening.heard;
  }

  /** Idempotent. */
  close(): void {
    this.#closed = true;
    this.#decoder?.close();
    this.#eye?.close();
  }

  #audio(tag: AudioTag, now: Millis): void {
    if (tag.type === 'config' && tag.codec === 'AAC')
      return this.#open(
        { codec: 'AAC', clockRate: 48_000, channels: 1 },
        Buffer.from(tag.config).toString('hex'),
      );
    if (tag.type !== 'frame') return;
    this.firstAt ??= now;
    this.packets++;
    if (tag.codec === 'PCMA' || tag.codec === 'PCMU') this.#open({ codec: tag.codec, clockRate: 8000 }, '');
    if (this.#decoder !== undefined) this.#listening.pcm(this.#decoder.decode(tag.payload));
  }

  /** The decoder is ready a moment later; what comes meanwhile is counted and not heard. */
  #open(format: Format, config: string): void {
    const key = `${format.codec} ${config}`;
    if (key === this.#config) return;
    this.#config = key;
    openDecoder(config === '' ? format : { ...format, fmtp: { config } }, LISTENING_HZ).then(
      decoder => {
        if (this.#closed || this.#config !== key) return decoder.close();
        this.#decoder?.close();
        this.#decoder = decoder;
        this.#listening.gap();
      },
      (e: Error) => this.#note(e.message),
    );
  }

  #video(body: Uint8Array, timestampMs: number, now: Millis): void {
    const tag = readVideoTag(body);
    if (tag.type === 'config') {
      const record = readAvcc(Uint8Array.from(tag.record)); // what is read borrows from it
      if (record !== undefined) this.#avcc = record;
    }
    const avcc = this.#avcc;
    if (tag.type !== 'frame' || avcc === undefined) return;
    const units = readLengthPrefixed(tag.units, avcc.lengthSize);
    if (units === undefined) return;
    const sets = tag.key ? [...avcc.sps, ...avcc.pps] : [];
    this.#eye?.units([...sets, ...units], (timestampMs + tag.compositionMs) * 90, now);
  }
}
