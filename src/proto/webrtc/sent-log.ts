import type { Millis } from '../../kit/core.ts';
import type { Rtcp } from '../rtp/rtcp.ts';

/** Packets remembered until they are told of; a power of two. At 10 Mbit/s a second. */
const KEPT = 1024;
const TICKS_PER_MS = 4;
const REFERENCE_MS = 64;
/** The reference time wraps after 24 bits. */
const REFERENCE_WRAP_MS = 2 ** 24 * REFERENCE_MS;

/** What became of packets sent. `arrivedMs`: on the receiver's clock; only differences mean anything. */
export interface Fate {
  arrived(sentMs: Millis, arrivedMs: Millis, bytes: number): void;
  lost(count: number): void;
}

/** The sender's side of transport-wide congestion control: numbers every packet, and knows when and how large it went. */
export class SentLog {
  #next = 0;
  /** 1/4 ms, modulo 2^32; and bytes, 0 once told of. */
  readonly #times = new Uint32Array(KEPT);
  readonly #bytes = new Uint16Array(KEPT);
  readonly #numbers = new Uint16Array(KEPT);
  /** The highest number told of so far, extended; what was lost before is told once. */
  #told = -1;
  #lastReference: number | undefined;
  #referenceBase = 0;

  /** The number (16 bits) for the next packet. */
  next(bytes: number, now: Millis): number {
    const number = this.#next;
    this.#next = (this.#next + 1) & 0xffff;
    const at = number & (KEPT - 1);
    this.#times[at] = Math.round(now * TICKS_PER_MS);
    this.#bytes[at] = bytes;
    this.#numbers[at] = number;
    return number;
  }

  /** Tells `fate` of every packet it did not hear of before. Numbers never sent are passed over. */
  feedback(f: Extract<Rtcp, { type: 'twcc' }>, now: Millis, fate: Fate): void {
    let arrivedMs = this.#reference(f.reference);
    const nowTicks = Math.round(now * TICKS_PER_MS);
    let lost = 0;
    for (let i = 0; i < f.arrivals.length; i++) {
      const delta = f.arrivals[i];
      if (delta !== undefined) arrivedMs += delta / TICKS_PER_MS;
      const number = (f.base + i) & 0xffff;
      const at = number & (KEPT - 1);
      if (this.#bytes[at] === 0 || this.#numbers[at] !== number) continue;
      const bytes = this.#bytes[at]!;
      // A lost packet stays known: it may have been late only, and come in a later feedback.
      if (delta === undefined) {
        if (this.#isNew(number)) lost++;
        continue;
      }
      this.#isNew(number);
      this.#bytes[at] = 0;
      fate.arrived(now - ((nowTicks - this.#times[at]!) >>> 0) / TICKS_PER_MS, arrivedMs, bytes);
    }
    if (lost > 0) fate.lost(lost);
  }

  /** True when `number` is beyond all told of; it is from now on. */
  #isNew(number: number): boolean {
    if (this.#told < 0) {
      this.#told = 0x10000 + number;
      return true;
    }
    const step = (((number - this.#told) & 0xffff) ^ 0x8000) - 0x8000;
    if (step <= 0) return false;
    this.#told += step;
    return true;
  }

  /** Unwrapped, ms. */
  #reference(reference: number): Millis {
    const last = this.#lastReference;
    if (last !== undefined && reference - last < -(2 ** 23)) this.#referenceBase += REFERENCE_WRAP_MS;
    else if (last !== undefined && reference - last > 2 ** 23) this.#referenceBase -= REFERENCE_WRAP_MS;
    this.#lastReference = reference;
    return this.#referenceBase + reference * REFERENCE_MS;
  }
}
