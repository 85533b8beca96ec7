import type { MediaPacket, Sink } from '../contract.ts';
import type { Millis } from '../kit/core.ts';
import type { AudioEncoder } from './codecs.ts';

/** Sound before the first frame that an encoder hears unheard, so that its state has settled (G.722, opus, AAC). */
const PRIME_MS = 60;
/** AAC's transform overlaps neighbours: two of its frames, however long. */
const PRIME_FRAMES_AAC = 2;

/** One leg that hears a lane. It keeps its own place on the line of time, so it can change lanes without a seam. */
export interface Listener {
  readonly sink: Sink<MediaPacket>;
  /** Pts of the next frame to hear; −Infinity before the first. */
  nextPts: number;
  seq: number;
}

/**
 * One encoder and everyone who hears it. Frames of all lanes of one rate stand on the same line: frame `f` holds
 * samples `f·N` to `(f+1)·N` since the room's first block, whenever the lane began. Hence a listener that changes
 * from one lane to another goes on with the very next frame.
 */
export class Lane {
  readonly encoder: AudioEncoder;
  readonly #listeners = new Set<Listener>();
  readonly #frame: Int16Array;
  readonly #primeFrames: number;
  #filled = 0;
  /** Sample of the line that comes next. */
  #at = 0;
  /** Ticks to add to the encoder's own pts, which counts from its first frame ever. */
  #offset = 0;
  #framesFed = 0;
  #now: Millis = 0;
  /** Reused for every packet. */
  readonly #packet: MediaPacket = { seq: 0, pts: 0, marker: false, payload: new Uint8Array(0) };
  readonly #deliver: (payload: Uint8Array, pts: number) => void;

  constructor(encoder: AudioEncoder) {
    this.encoder = encoder;
    const { frameTicks, format, sampleRate } = encoder;
    this.#frame = new Int16Array(Math.round((frameTicks * sampleRate) / format.clockRate));
    this.#primeFrames = primeFrames(encoder, this.#frame.length);
    this.#deliver = (payload, pts) => this.#send(payload, pts + this.#offset);
  }

  get frameSamples(): number {
    return this.#frame.length;
  }
  get listeners(): ReadonlySet<Listener> {
    return this.#listeners;
  }

  /**
   * Begins at sample `at` of the line. `past` is the sound up to there, heard by the encoder but by nobody else
   * (undefined: silence). Nobody may listen yet.
   */
  begin(at: number, past: Int16Array | undefined): void {
    const n = this.#frame.length;
    const first = Math.floor(at / n) - (past === undefined ? 0 : this.#primeFrames);
    this.#offset = (first - this.#framesFed) * this.encoder.frameTicks;
    const lead = at - first * n;
    this.#filled = 0;
    this.#at = at;
    if (past !== undefined) return this.#feed(past.subarray(past.length - lead));
    this.#frame.fill(0, 0, lead);
    this.#filled = lead;
  }

  /** A listener that has heard nothing yet starts with the frame sample `at` falls into. */
  add(listener: Listener, at: number): void {
    const frame = Math.floor(at / this.#frame.length);
    if (listener.nextPts === Number.NEGATIVE_INFINITY) listener.nextPts = frame * this.encoder.frameTicks;
    this.#listeners.add(listener);
  }

  delete(listener: Listener): void {
    this.#listeners.delete(listener);
  }

  /** Sound from sample `at` on. After skipped blocks (a stall) the frame begun is given up: pts go on as time did. */
  push(pcm: Int16Array, at: number, now: Millis): void {
    this.#now = now;
    if (at !== this.#at) this.begin(at, undefined);
    this.#at += pcm.length;
    this.#feed(pcm);
  }

  #feed(pcm: Int16Array): void {
    const frame = this.#frame;
    for (let from = 0; from < pcm.length; ) {
      const take = Math.min(frame.length - this.#filled, pcm.length - from);
      frame.set(from === 0 && take === pcm.length ? pcm : pcm.subarray(from, from + take), this.#filled);
      this.#filled += take;
      from += take;
      if (this.#filled < frame.length) return;
      this.#filled = 0;
      this.#framesFed++;
      this.encoder.encode(frame, this.#deliver);
    }
  }

  #send(payload: Uint8Array, pts: number): void {
    const packet = this.#packet;
    packet.payload = payload;
    packet.pts = pts;
    const next = pts + this.encoder.frameTicks;
    for (const listener of this.#listeners) {
      if (pts < listener.nextPts) continue;
      listener.nextPts = next;
      packet.marker = listener.seq === 0;
      packet.seq = listener.seq++;
      listener.sink(packet, this.#now);
    }
  }
}

function primeFrames({ format, sampleRate }: AudioEncoder, frameSamples: number): number {
  if (format.codec === 'PCMU' || format.codec === 'PCMA') return 0; // no memory
  if (format.codec === 'AAC') return PRIME_FRAMES_AAC;
  return Math.ceil((PRIME_MS * sampleRate) / 1000 / frameSamples);
}
