import type { Millis } from '../../../kit/core.ts';
import { Extender } from '../../../kit/sequence.ts';

/** How far back the policy looks. */
export const HISTORY_MS = 10_000;
const FIRST_KEPT = 512;
/** 10 s at 3200 packets/s; beyond that the history gets shorter. Half of what 16 bits can tell apart. */
const MOST_KEPT = 32_768;

/** Nobody said anything yet; it came; it did not (it may still, and then it came). */
export const PENDING = 0;
export const ARRIVED = 1;
export const LOST = 2;

/** What was sent on one path, and what became of it. */
export class SentLog {
  readonly #extender = new Extender(16);
  /** Rings by sequence number. */
  #sentAt = new Float64Array(FIRST_KEPT);
  #bytes = new Uint16Array(FIRST_KEPT);
  #fates = new Uint8Array(FIRST_KEPT);
  /** Extended: the oldest kept, and one beyond the newest. */
  first = 0;
  end = 0;

  sent(sequence: number, bytes: number, now: Millis): void {
    const number = this.#extender.extend(sequence);
    if (this.end === 0) this.first = this.end = number;
    if (number < this.end) return; // numbers only grow: this one was said already
    // A number that was never sent has no fate; the path began anew.
    if (number > this.end) this.first = this.end = number;
    this.#makeRoom(now);
    const at = number & (this.#fates.length - 1);
    this.#sentAt[at] = now;
    this.#bytes[at] = bytes;
    this.#fates[at] = PENDING;
    this.end = number + 1;
  }

  /** The extended number of a wire one, or -1 when nothing of that number is kept. */
  find(sequence: number): number {
    const number = this.end - (((this.end - sequence - 1) & 0xffff) + 1);
    return number >= this.first && number < this.end ? number : -1;
  }

  sentAt(number: number): Millis {
    return this.#sentAt[number & (this.#fates.length - 1)]!;
  }
  bytes(number: number): number {
    return this.#bytes[number & (this.#fates.length - 1)]!;
  }
  fate(number: number): number {
    return this.#fates[number & (this.#fates.length - 1)]!;
  }
  /** What it was before. */
  settle(number: number, fate: number): number {
    const at = number & (this.#fates.length - 1);
    const before = this.#fates[at]!;
    this.#fates[at] = fate;
    return before;
  }

  #makeRoom(now: Millis): void {
    const size = this.#fates.length;
    if (this.end - this.first < size) return;
    if (size >= MOST_KEPT || this.sentAt(this.first) < now - HISTORY_MS) {
      this.first++;
      return;
    }
    const sentAt = new Float64Array(size * 2);
    const bytes = new Uint16Array(size * 2);
    const fates = new Uint8Array(size * 2);
    for (let n = this.first; n < this.end; n++) {
      const to = n & (size * 2 - 1);
      sentAt[to] = this.sentAt(n);
      bytes[to] = this.bytes(n);
      fates[to] = this.fate(n);
    }
    this.#sentAt = sentAt;
    this.#bytes = bytes;
    this.#fates = fates;
  }
}
