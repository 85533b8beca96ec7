/**
 * Keys pressed, as RTP events (RFC 4733 §2.3).
 * ```
 *  0                   1                   2                   3
 *  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 * |     event     |E|R| volume    |          duration             |
 * ```
 * Every packet of one event carries the timestamp of its beginning; the last one is sent three times.
 */
import { type Millis, NEVER } from '../../src/kit/core.ts';

const KEYS = '0123456789*#ABCD';
/** An event whose end was lost is over when nothing more came of it for this long. */
const OVER_MS = 200;

export interface Key {
  readonly digit: string;
  readonly ms: number;
}

/** Turns event packets into keys, each once, at its end. */
export class DtmfReceiver {
  #event = -1;
  #timestamp = -1;
  #duration = 0;
  /** Of earlier segments: a key held longer than 16 bits can say goes on under a new timestamp (§2.5.1.3). */
  #segments = 0;
  #clockRate = 8000;
  #heardAt: Millis = Number.NEGATIVE_INFINITY;
  /** The current event was told. */
  #told = true;

  /** One event packet; `timestamp` as on the wire. The key that ended with it, if one did. */
  packet(payload: Uint8Array, timestamp: number, clockRate: number, now: Millis): Key | undefined {
    if (payload.length < 4 || (payload[0] as number) >= KEYS.length) return undefined;
    let ended: Key | undefined;
    if (timestamp !== this.#timestamp) {
      const older = ((timestamp - this.#timestamp) | 0) < 0;
      if (older && now - this.#heardAt < 1000) return undefined; // a straggler of the key before
      const goesOn = !this.#told && this.#duration === 0xffff && payload[0] === this.#event;
      if (!goesOn) ended = this.#end();
      this.#segments = goesOn ? this.#segments + this.#duration : 0;
      this.#timestamp = timestamp;
      this.#event = payload[0] as number;
      this.#duration = 0;
      this.#clockRate = clockRate;
      this.#told = false;
    }
    this.#heardAt = now;
    const duration = ((payload[2] as number) << 8) | (payload[3] as number);
    if (duration > this.#duration) this.#duration = duration;
    const last = ((payload[1] as number) & 0x80) !== 0;
    return last ? (this.#end() ?? ended) : ended;
  }

  /** When to ask `overdue`. */
  get deadline(): Millis {
    return this.#told ? NEVER : this.#heardAt + OVER_MS;
  }

  /** The key whose end was lost, once it is over. */
  overdue(now: Millis): Key | undefined {
    return !this.#told && now - this.#heardAt >= OVER_MS ? this.#end() : undefined;
  }

  #end(): Key | undefined {
    if (this.#told) return undefined;
    this.#told = true;
    const ticks = this.#segments + this.#duration;
    return { digit: KEYS[this.#event] as string, ms: Math.round((ticks * 1000) / this.#clockRate) };
  }
}
