import type { Format, TrackInfo } from '../contract.ts';
import type { Millis } from '../kit/core.ts';
import { BlockClock } from './block-clock.ts';
import { type Codecs, encodeKey, encoderDelay, formatKey, nativeRate, type PcmRate } from './codecs.ts';
import { Ear } from './ear.ts';
import { Mix, type MixListener } from './mix.ts';
import { Refs } from './refs.ts';
import type { Tap } from './tap.ts';
import { Transcode, type TranscodeListener } from './transcode.ts';

/** More voices at once than this nobody can tell apart. */
const MAX_VOICES = 8;
/** A voice being heard keeps its place against one less than this much louder. */
const KEEP_DB = 6;

/** A track being transcoded for one listener. */
export interface Transcoding {
  /** As `Subscription.timeOf`. */
  timeOf(pts: number): Millis | undefined;
  close(): void;
}

/** What sound needs of the room's flows. */
export interface Taps {
  acquire(track: string): Tap;
  release(track: string): void;
}

/** A track of the mix, and its ear while anyone listens. */
interface Heard {
  readonly info: TrackInfo;
  ear: Ear | undefined;
}

/** Everything in this process that decodes, mixes and encodes a room's sound, moved on block by block. */
export class Sound {
  readonly #taps: Taps;
  readonly #codecs: Codecs;
  readonly #count: (reason: string) => void;
  readonly #clock = new BlockClock();
  readonly #ears = new Refs<Ear>();
  readonly #mixes = new Map<PcmRate, Mix>();
  readonly #transcodes = new Refs<Transcode>();
  /** Tracks that are part of the mix, by id, and their ears while anyone listens to a mix. */
  readonly #mixed = new Map<string, Heard>();
  /** The same by sync group: the newest of each. */
  readonly #bySync = new Map<string, Heard>();
  #voices: Ear[] = [];
  #inBlock = false;
  readonly #leaving: (() => void)[] = [];

  constructor(taps: Taps, codecs: Codecs, count: (reason: string) => void) {
    this.#taps = taps;
    this.#codecs = codecs;
    this.#count = count;
  }

  /** `info` is to be heard in mixes; undefined: no longer. */
  track(id: string, info: TrackInfo | undefined): void {
    const known = this.#mixed.get(id);
    if (known !== undefined && info !== undefined && formatKey(known.info.format) === formatKey(info.format))
      return;
    if (known !== undefined) {
      this.#unhear(known);
      this.#mixed.delete(id);
      const { syncGroup } = known.info;
      if (this.#bySync.get(syncGroup) === known) this.#bySync.delete(syncGroup);
    }
    if (info === undefined) return;
    const heard: Heard = { info, ear: undefined };
    this.#mixed.set(id, heard);
    this.#bySync.set(info.syncGroup, heard);
    if (this.#mixes.size > 0) this.#hear(heard);
  }

  listen(listener: MixListener): () => void {
    const rate = nativeRate(listener.format);
    let mix = this.#mixes.get(rate);
    if (mix === undefined) {
      mix = new Mix(rate, this.#codecs);
      this.#mixes.set(rate, mix);
      for (const heard of this.#mixed.values())
        if (heard.ear !== undefined) heard.ear.use(rate, false);
        else this.#hear(heard);
    }
    mix.add(listener);
    return () =>
      this.#afterBlock(() => {
        mix.delete(listener);
        this.#endMix(mix);
      });
  }

  transcode(track: TrackInfo, to: Format, listener: TranscodeListener): Transcoding {
    const key = `${earKey(track)}→${encodeKey(to, 0)}`;
    const transcode = this.#transcodes.acquire(key, () => {
      const ear = this.#acquireEar(track);
      return new Transcode(ear, track.format, to, this.#codecs, () => this.#ears.release(earKey(track)));
    });
    transcode.add(listener);
    const close = (): void =>
      this.#afterBlock(() => {
        transcode.delete(listener);
        this.#transcodes.release(key);
      });
    return { close, timeOf: pts => this.playedAt(pts, to) - (transcode.delayMs ?? 0) };
  }

  /** When what a mix or a transcode gives as `pts` is played: frames of all of them stand on one line of time. */
  playedAt(pts: number, format: Format): Millis {
    return this.#clock.origin + ((pts - encoderDelay(format)) / format.clockRate) * 1000;
  }

  /** How long after its capture the sound of this sync group is played in a mix; 0 when it is in none. */
  delayOf(syncGroup: string): Millis {
    return this.#bySync.get(syncGroup)?.ear?.delayMs ?? 0;
  }

  get active(): boolean {
    return this.#mixes.size + this.#transcodes.size > 0;
  }

  tick(now: Millis): void {
    if (!this.active) return this.#clock.rest();
    this.#clock.begin(now);
    while (this.#clock.step(now)) this.#block(this.#clock.index, this.#clock.at, now);
  }

  close(): void {
    this.#afterBlock(() => {
      for (const id of [...this.#mixed.keys()]) this.track(id, undefined);
      for (const mix of this.#mixes.values()) mix.close();
      this.#mixes.clear();
    });
  }

  /** A leg may leave from inside its sink, that is from inside an encoder, which must not be freed there. */
  #afterBlock(run: () => void): void {
    if (this.#inBlock) this.#leaving.push(run);
    else run();
  }

  #block(block: number, at: Millis, now: Millis): void {
    this.#inBlock = true;
    if (this.#mixes.size > 0) this.#select(block, at);
    for (const ear of this.#ears.values()) ear.advance(at);
    for (const mix of this.#mixes.values()) mix.block(block, now, this.#voices);
    for (const transcode of this.#transcodes.values()) transcode.block(block, now);
    this.#inBlock = false;
    for (const leave of this.#leaving.splice(0)) leave();
  }

  /** The voices of this block: those who speak, the loudest if many, each only once all it needs is open. */
  #select(block: number, at: Millis): void {
    const before = this.#voices;
    let voices: Ear[] = [];
    for (const { ear } of this.#mixed.values()) if (ear?.speaking(at)) voices.push(ear);
    if (voices.length > MAX_VOICES) {
      const rank = (e: Ear): number => e.loudness(at) + (e.selected ? KEEP_DB : 0);
      voices = voices.sort((a, b) => rank(b) - rank(a)).slice(0, MAX_VOICES);
    }
    voices = voices.filter(ear => ear.prepare() && this.#readyFor(ear.participant, block));
    for (const ear of before) ear.selected = false;
    for (const ear of voices) ear.selected = true;
    this.#voices = voices;
  }

  #readyFor(participant: string, block: number): boolean {
    let ready = true;
    for (const mix of this.#mixes.values()) if (!mix.ready(participant, block)) ready = false;
    return ready;
  }

  #hear(heard: Heard): void {
    heard.ear = this.#acquireEar(heard.info);
    for (const rate of this.#mixes.keys()) heard.ear.use(rate, false);
  }

  #unhear(heard: Heard): void {
    const { ear } = heard;
    if (ear === undefined) return;
    heard.ear = undefined;
    ear.selected = false;
    this.#voices = this.#voices.filter(e => e !== ear);
    for (const rate of this.#mixes.keys()) ear.release(rate, false);
    this.#ears.release(earKey(heard.info));
  }

  #endMix(mix: Mix): void {
    if (mix.size > 0 || this.#mixes.get(mix.rate) !== mix) return;
    if (this.#mixes.size === 1) for (const heard of this.#mixed.values()) this.#unhear(heard);
    else for (const { ear } of this.#mixed.values()) ear?.release(mix.rate, false);
    this.#mixes.delete(mix.rate);
  }

  #acquireEar(track: TrackInfo): Ear {
    return this.#ears.acquire(earKey(track), () => {
      const tap = this.#taps.acquire(track.id);
      return new Ear(track, tap, this.#codecs, this.#count, () => this.#taps.release(track.id));
    });
  }
}

const earKey = (track: TrackInfo): string => `${track.id} ${formatKey(track.format)}`;
