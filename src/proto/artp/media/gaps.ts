import { type Millis, NEVER } from '../../../kit/core.ts';

/** Numbers looked back at; a power of two. */
const WINDOW = 512;
/** A hole longer than this was an outage: asking for all of it would only add to the trouble. */
const MAX_HOLE = 256;
const MAX_ASKS = 10;
/** A packet that was merely overtaken comes within this time, ms; longer where packets come later. */
const OVERTAKEN_MS = 10;
const MAX_OVERTAKEN_MS = 60;
/** A request may be lost as well: if its answer cannot be here by then, it is said twice. */
const SAID_TWICE_MS = 15;

/** What is missing of one flow, and when to ask for it. */
export class Gaps {
  readonly #missing = new Uint8Array(WINDOW);
  readonly #since = new Float64Array(WINDOW);
  readonly #askAt = new Float64Array(WINDOW);
  readonly #asks = new Uint8Array(WINDOW);
  /** Highest number seen; everything from `#low` on may be missing. */
  #highest: number;
  #low: number;
  #count = 0;
  #waitMs = OVERTAKEN_MS;
  #deadline: Millis = NEVER;
  /** Numbers ever asked for. */
  asked = 0;

  /** `highest`: all up to it is here or not wanted. */
  constructor(highest: number) {
    this.#highest = highest;
    this.#low = highest + 1;
  }

  /** When something is to be asked for. */
  get deadline(): Millis {
    return this.#count === 0 ? NEVER : this.#deadline;
  }

  /** `seq` came, first time. `original`: not because it was asked for. */
  came(seq: number, original: boolean, now: Millis): void {
    const at = seq & (WINDOW - 1);
    if (seq <= this.#highest) {
      if (seq <= this.#highest - WINDOW || this.#missing[at] === 0) return;
      this.#forget(at);
      // It was late, not lost: next time wait so long before asking.
      const lateMs = now - (this.#since[at] as number) + 2;
      if (original && lateMs > this.#waitMs) this.#waitMs = Math.min(MAX_OVERTAKEN_MS, lateMs);
      return;
    }
    const hole = seq - this.#highest - 1;
    for (let s = Math.max(this.#highest + 1, seq - WINDOW); s <= seq; s++) this.#forget(s & (WINDOW - 1));
    if (hole > 0 && hole <= MAX_HOLE) this.#open(this.#highest + 1, seq, now);
    this.#highest = seq;
    if (this.#count === 0) this.#low = seq + 1;
    this.#waitMs = Math.max(OVERTAKEN_MS, this.#waitMs * 0.999);
  }

  /** Adds to `seqs` what is to be asked for now. What cannot be here within `limitMs` of its loss is given up. */
  due(now: Millis, rttMs: number, limitMs: number, seqs: number[]): void {
    if (now < this.#deadline || this.#count === 0) return;
    let deadline: Millis = NEVER;
    this.#low = Math.max(this.#low, this.#highest - WINDOW + 1);
    for (let s = this.#low; s <= this.#highest; s++) {
      const at = s & (WINDOW - 1);
      if (this.#missing[at] === 0) continue;
      const useless = now - (this.#since[at] as number) + rttMs > limitMs;
      if (useless || this.#asks[at] === MAX_ASKS) {
        this.#forget(at);
        continue;
      }
      if (now >= (this.#askAt[at] as number)) this.#ask(s, at, now, rttMs, seqs);
      if ((this.#askAt[at] as number) < deadline) deadline = this.#askAt[at] as number;
    }
    this.#deadline = deadline;
  }

  #open(from: number, to: number, now: Millis): void {
    if (this.#count === 0) {
      this.#low = from;
      this.#deadline = NEVER;
    }
    for (let s = from; s < to; s++) {
      const at = s & (WINDOW - 1);
      this.#missing[at] = 1;
      this.#since[at] = now;
      this.#askAt[at] = now + this.#waitMs;
      this.#asks[at] = 0;
      this.#count++;
    }
    this.#deadline = Math.min(this.#deadline, now + this.#waitMs);
  }

  #ask(s: number, at: number, now: Millis, rttMs: number, seqs: number[]): void {
    seqs.push(s);
    const asks = this.#asks[at] as number;
    if (asks === 0) this.asked++;
    this.#asks[at] = asks + 1;
    const twice = rttMs > 2 * SAID_TWICE_MS && asks % 2 === 0;
    this.#askAt[at] = now + (twice ? SAID_TWICE_MS : rttMs * 1.1 + OVERTAKEN_MS);
  }

  #forget(at: number): void {
    this.#count -= this.#missing[at] as number;
    this.#missing[at] = 0;
  }
}
