import type { Format } from '../contract.ts';
import type { Millis } from '../kit/core.ts';
import type { Termination } from '../kit/refusal.ts';
import { accumulate, Limiter } from '../media/mixer.ts';
import { blockSamples, type Codecs, encodeKey, type PcmRate } from './codecs.ts';
import type { Ear } from './ear.ts';
import { EncoderPool } from './encoder-pool.ts';
import { Lane, type Listener } from './lane.ts';
import { OwnMix } from './own-mix.ts';

/** A mix of one's own is kept this many blocks (1 s) after its owner's last word: pauses must not make it flap. */
const OWN_KEEP_BLOCKS = 50;
/** Shared sound remembered for priming lanes: 200 ms, or three AAC frames where those are longer. */
const PAST_MS = 200;
const PAST_MIN_SAMPLES = 3 * 1024;
const ATTACK_MS = 2;

/** A leg that wants a mix. */
export interface MixListener extends Listener {
  readonly participant: string;
  readonly format: Format;
  readonly ptimeMs: number;
  /** Sound comes from the next call of `sink` on. */
  readonly serving: (encoded: Format) => void;
  /** It will never come; the listener is out of the mix already. */
  readonly failed: (why: Termination) => void;
}

/** All who can share an encoder, and the lane that the silent among them hear. */
interface Kind {
  readonly key: string;
  readonly pool: EncoderPool;
  shared: Lane | undefined;
  legs: number;
}

interface Place {
  readonly kind: Kind;
  lane: Lane | undefined;
}

/**
 * The mixes of one sample rate: one that all the silent share, and for each speaker who listens one without its voice.
 * ```
 *   voices ─► sum ──────────────► limiter ─► shared lane per kind ─► every silent leg
 *               └─ minus own voice ► limiter ─► own lane per kind ───► the speaker's legs
 * ```
 */
export class Mix {
  readonly rate: PcmRate;
  readonly #codecs: Codecs;
  readonly #places = new Map<MixListener, Place>();
  readonly #legs = new Map<string, number>();
  readonly #kinds = new Map<string, Kind>();
  readonly #owns = new Map<string, OwnMix>();
  /** The block at which a participant last wanted to be heard, and at which it last was. */
  readonly #wanted = new Map<string, number>();
  readonly #voiced = new Map<string, number>();
  readonly #n: number;
  readonly #sum: Int32Array;
  readonly #pcm: Int16Array;
  readonly #limiter = new Limiter();
  /** The shared mix up to the current block. */
  readonly #past: Int16Array;
  /** Someone is not on the lane where it belongs. */
  #dirty = true;

  constructor(rate: PcmRate, codecs: Codecs) {
    this.rate = rate;
    this.#codecs = codecs;
    this.#n = blockSamples(rate);
    this.#sum = new Int32Array(this.#n);
    this.#pcm = new Int16Array(this.#n);
    this.#past = new Int16Array(Math.max((rate * PAST_MS) / 1000, PAST_MIN_SAMPLES));
  }

  get size(): number {
    return this.#places.size;
  }

  add(listener: MixListener): void {
    const { participant, format, ptimeMs } = listener;
    const key = encodeKey(format, ptimeMs);
    let kind = this.#kinds.get(key);
    if (kind === undefined) {
      kind = {
        key,
        pool: new EncoderPool(this.#codecs, format, this.rate, ptimeMs, 1),
        shared: undefined,
        legs: 0,
      };
      this.#kinds.set(key, kind);
    }
    kind.legs++;
    this.#places.set(listener, { kind, lane: undefined });
    this.#legs.set(participant, (this.#legs.get(participant) ?? 0) + 1);
    const own = this.#owns.get(participant);
    if (own !== undefined) own.complete = false;
    this.#dirty = true;
  }

  delete(listener: MixListener): void {
    const place = this.#places.get(listener);
    if (place === undefined) return;
    this.#places.delete(listener);
    place.lane?.delete(listener);
    this.#leave(listener.participant);
    const { kind } = place;
    if (--kind.legs > 0) return;
    this.#kinds.delete(kind.key);
    for (const own of this.#owns.values()) own.drop(kind.pool);
    kind.shared?.encoder.close();
    kind.pool.close();
  }

  /**
   * `participant` speaks, or will when the packets that have come are due. True when it may be mixed in: its own
   * legs have mixes without it. Asked every block; the buffer's delay gives the time to open encoders.
   */
  ready(participant: string, block: number): boolean {
    if (!this.#wanted.has(participant)) this.#dirty = true;
    this.#wanted.set(participant, block);
    if (!this.#legs.has(participant)) return true;
    const own = this.#own(participant);
    if (!own.complete) this.#complete(own, participant, block);
    return own.complete || this.#voiced.get(participant) === block - 1; // never cut off for a leg that came late
  }

  /** One block: those of `ears` that have sound are mixed, and everyone hears it. */
  block(block: number, now: Millis, ears: readonly Ear[]): void {
    this.#expire(block);
    if (this.#dirty) this.#settle(block);
    this.#sum.fill(0);
    for (const own of this.#owns.values()) own.voice.fill(0);
    for (const ear of ears) {
      const pcm = ear.pcm(this.rate);
      if (pcm === undefined) continue;
      accumulate(this.#sum, pcm);
      const own = this.#owns.get(ear.participant);
      if (own !== undefined) accumulate(own.voice, pcm);
      this.#voiced.set(ear.participant, block);
    }
    this.#play(block * this.#n, now);
  }

  close(): void {
    for (const listener of this.#places.keys()) this.delete(listener);
  }

  #play(at: number, now: Millis): void {
    const attack = (this.rate * ATTACK_MS) / 1000;
    this.#limiter.apply(this.#sum, undefined, this.#pcm, attack);
    this.#past.copyWithin(0, this.#n);
    this.#past.set(this.#pcm, this.#past.length - this.#n);
    for (const { shared } of this.#kinds.values())
      if (shared !== undefined && shared.listeners.size > 0) shared.push(this.#pcm, at, now);
    for (const own of this.#owns.values()) {
      own.limiter.apply(this.#sum, own.voice, own.pcm, attack);
      for (const lane of own.lanes()) lane.push(own.pcm, at, now);
    }
  }

  /** Puts everyone on the lane where it belongs, as far as encoders are there. */
  #settle(block: number): void {
    this.#dirty = false;
    for (const [listener, place] of this.#places) {
      const lane = this.#laneFor(listener, place.kind, block);
      if (lane === undefined) {
        this.#dirty = true;
        const { failure } = place.kind.pool;
        if (failure === undefined) continue;
        this.delete(listener);
        listener.failed(failure);
      } else if (lane !== place.lane) this.#move(listener, place, lane, block);
    }
    if (!this.#dirty) for (const { pool } of this.#kinds.values()) pool.settle();
  }

  #laneFor(listener: MixListener, kind: Kind, block: number): Lane | undefined {
    const { participant } = listener;
    if (this.#wanted.has(participant))
      return this.#own(participant).lane(kind.pool, block * this.#n, this.#pastWithout(participant, block));
    if (kind.shared === undefined) {
      const encoder = kind.pool.take();
      if (encoder === undefined) return undefined;
      kind.shared = new Lane(encoder);
    }
    if (kind.shared.listeners.size === 0) kind.shared.begin(block * this.#n, this.#past); // it was not fed meanwhile
    return kind.shared;
  }

  #move(listener: MixListener, place: Place, lane: Lane, block: number): void {
    if (place.lane === undefined) listener.serving(lane.encoder.format);
    else place.lane.delete(listener);
    if (!this.#places.has(listener)) return; // it left on hearing that
    place.lane = lane;
    lane.add(listener, block * this.#n);
  }

  #complete(own: OwnMix, participant: string, block: number): void {
    own.complete = true;
    for (const [listener, { kind }] of this.#places) {
      if (listener.participant !== participant || kind.pool.failure !== undefined) continue;
      const lane = own.lane(kind.pool, block * this.#n, this.#pastWithout(participant, block));
      if (lane === undefined) own.complete = false;
    }
    this.#dirty = true;
  }

  #own(participant: string): OwnMix {
    let own = this.#owns.get(participant);
    if (own === undefined) {
      own = new OwnMix(this.#n, this.#limiter.gain);
      this.#owns.set(participant, own);
    }
    return own;
  }

  /** The shared past, unless the participant's own voice is in it. */
  #pastWithout(participant: string, block: number): Int16Array | undefined {
    const voiced = this.#voiced.get(participant);
    return voiced === undefined || (block - voiced) * this.#n > this.#past.length ? this.#past : undefined;
  }

  /** Those silent for long go back to the shared mix. */
  #expire(block: number): void {
    for (const [participant, last] of this.#wanted) {
      if (block - last <= OWN_KEEP_BLOCKS) continue;
      this.#wanted.delete(participant);
      this.#voiced.delete(participant);
      this.#dropOwn(participant);
      this.#dirty = true;
    }
  }

  #leave(participant: string): void {
    const legs = (this.#legs.get(participant) ?? 1) - 1;
    if (legs > 0) return void this.#legs.set(participant, legs);
    this.#legs.delete(participant);
    this.#dropOwn(participant);
  }

  #dropOwn(participant: string): void {
    this.#owns.get(participant)?.close();
    this.#owns.delete(participant);
  }
}
