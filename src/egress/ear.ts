import type { MediaPacket, TrackInfo } from '../contract.ts';
import type { Millis } from '../kit/core.ts';
import { JitterBuffer } from '../media/jitter-buffer.ts';
import { packetTicks } from '../media/packet-ticks.ts';
import { Steady } from '../media/timeline.ts';
import { BLOCK_MS, type Codecs, type PcmRate } from './codecs.ts';
import type { Tap } from './tap.ts';
import type { TrackTime } from './track-time.ts';
import { Voice } from './voice.ts';

/** Louder than −60 dBov is speech; quieter is background and is not mixed. */
const SPEECH_LEVEL = 60;
/** Speech lasts this long after its last loud packet (counted at arrival, so the buffer's delay is part of it). */
const HANGOVER_MS = 600;
/** Decoders of the silent are freed. */
const DECODER_KEEP_MS = 30_000;
/** How fast remembered loudness fades, dB a second. */
const FADE_DB_PER_S = 20;
/** How fast what is told of the delay follows it, and from where on at once: lips may be that far off words. */
const DELAY_MS_PER_S = 20;
const DELAY_JUMP_MS = 40;

/**
 * One track made into sound, for all of this process: one jitter buffer, one decoder per rate in use.
 * Packets always pass the buffer; they are decoded only while someone needs the sound, and as speech is noticed
 * when a packet *arrives*, decoding begins a whole buffer delay before the first loud sample.
 */
export class Ear {
  readonly participant: string;
  /** Set by the mix every block: is this voice among those mixed? */
  selected = false;
  readonly #track: TrackInfo;
  readonly #codecs: Codecs;
  readonly #count: (reason: string) => void;
  readonly #time: TrackTime;
  readonly #jitter: JitterBuffer;
  readonly #delay = new Steady(DELAY_MS_PER_S, DELAY_JUMP_MS);
  readonly #voices = new Map<PcmRate, Voice>();
  readonly #untap: () => void;
  /** Transcodes need every block, spoken or not. */
  #continuous = 0;
  #decoding = false;
  /** Ticks taken out of the jitter buffer but not played yet. */
  #ahead = 0;
  readonly #blockTicks: number;
  #loudAt: Millis = Number.NEGATIVE_INFINITY;
  #peak = 0;
  #peakAt: Millis = 0;

  /** `done` gives the tap back. */
  constructor(track: TrackInfo, tap: Tap, codecs: Codecs, count: (reason: string) => void, done: () => void) {
    this.participant = track.participant;
    this.#track = track;
    this.#codecs = codecs;
    this.#count = count;
    this.#time = tap.time;
    const { codec, clockRate } = track.format;
    this.#blockTicks = (clockRate * BLOCK_MS) / 1000;
    this.#jitter = new JitterBuffer(clockRate, payload => packetTicks(codec, payload));
    const undo = tap.add((packet, now) => this.#hear(packet, now));
    this.#untap = () => {
      undo();
      done();
    };
  }

  /** Sound at `rate` is needed from now on; `continuous` even in silence. Undo with `release`. */
  use(rate: PcmRate, continuous: boolean): void {
    let voice = this.#voices.get(rate);
    if (voice === undefined) {
      voice = new Voice(rate);
      voice.prefill(this.#ms(this.#ahead));
      this.#voices.set(rate, voice);
    }
    voice.users++;
    if (continuous) this.#continuous++;
  }

  release(rate: PcmRate, continuous: boolean): void {
    if (continuous) this.#continuous--;
    const voice = this.#voices.get(rate);
    if (voice === undefined || --voice.users > 0) return;
    voice.close();
    this.#voices.delete(rate);
  }

  speaking(at: Millis): boolean {
    return at - this.#loudAt < HANGOVER_MS;
  }

  /** For choosing the loudest: 0 … 127, fading. */
  loudness(at: Millis): number {
    return this.#peak - ((at - this.#peakAt) * FADE_DB_PER_S) / 1000;
  }

  /** From when sound was captured (as far as can be told) to when it is played; undefined before the first. */
  get delayMs(): Millis | undefined {
    return this.#delay.value;
  }

  /** Opens what is needed to decode; true when all of it is there. */
  prepare(): boolean {
    let ready = true;
    for (const voice of this.#voices.values()) {
      voice.open(this.#track.format, this.#codecs, () => this.#count('decoder-failed'));
      if (!voice.ready) ready = false;
    }
    return ready;
  }

  /** Moves on by one block; afterwards `pcm` gives it. */
  advance(at: Millis): void {
    const decode = this.selected || this.#continuous > 0;
    if (decode && !this.#decoding)
      for (const voice of this.#voices.values()) voice.prefill(this.#ms(this.#ahead));
    this.#decoding = decode;
    if (decode) this.prepare();
    while (this.#ahead < this.#blockTicks) {
      this.#pass(at, decode);
      this.#ahead += this.#jitter.ticks;
    }
    this.#ahead -= this.#blockTicks;
    this.#measure(at);
    if (decode) for (const voice of this.#voices.values()) voice.play();
    else if (at - this.#loudAt > DECODER_KEEP_MS) for (const voice of this.#voices.values()) voice.close();
  }

  /** The block of now at `rate`; undefined is silence. */
  pcm(rate: PcmRate): Int16Array | undefined {
    return this.#decoding ? this.#voices.get(rate)?.block : undefined;
  }

  close(): void {
    this.#untap();
    for (const voice of this.#voices.values()) voice.close();
    this.#voices.clear();
  }

  #hear(packet: MediaPacket, now: Millis): void {
    const level = packet.level ?? 0;
    if (level < SPEECH_LEVEL) {
      this.#loudAt = now;
      if (127 - level > this.loudness(now)) {
        this.#peak = 127 - level;
        this.#peakAt = now;
      }
    }
    this.#jitter.insert(packet, now);
  }

  #pass(at: Millis, decode: boolean): void {
    const got = this.#jitter.next(at);
    if (!decode) return;
    const ms = this.#ms(this.#jitter.ticks);
    for (const voice of this.#voices.values())
      if (got === 'empty') voice.silence(ms);
      else if (got === 'missing') voice.conceal(ms, this.#jitter.successor);
      else voice.decode(got, ms);
  }

  /** The block played at `at` ends as far before the buffer's cursor as was taken out of it ahead. */
  #measure(at: Millis): void {
    const { cursor } = this.#jitter;
    if (cursor === undefined) return;
    const captured = this.#time.timeOf(cursor - this.#ahead - this.#blockTicks);
    if (captured !== undefined) this.#delay.measured(at - captured, at);
  }

  #ms(ticks: number): number {
    return (ticks * 1000) / this.#track.format.clockRate;
  }
}
