import { type Millis, NEVER } from '../../../kit/core.ts';
import { SEND_BUFFER_BYTES, type Spread } from './types.ts';

/** Between two copies of a packet, ms: four fit into 20 ms, and what hits one is over at the next. */
export const COPY_SPACING_MS = 5;
/** Packets that may wait for their copies; beyond, the copies go at once. A power of two. */
const WAITING = 512;

/** Copies of sealed packets, each COPY_SPACING_MS after the one before: all wait alike, so the first in is the first out. */
export class CopyQueue {
  readonly #send: (bytes: Uint8Array, length: number, spread: Spread, now: Millis) => void;
  readonly #slots: Uint8Array[] = [];
  readonly #free: number[] = [];
  readonly #lengths = new Uint16Array(WAITING);
  readonly #left = new Uint8Array(WAITING);
  readonly #both = new Uint8Array(WAITING);
  /** A ring of slots, by the time they are due. */
  readonly #queue = new Uint16Array(WAITING);
  readonly #due = new Float64Array(WAITING);
  #first = 0;
  #end = 0;

  constructor(send: (bytes: Uint8Array, length: number, spread: Spread, now: Millis) => void) {
    this.#send = send;
  }

  get deadline(): Millis {
    return this.#first === this.#end ? NEVER : (this.#due[this.#first & (WAITING - 1)] as number);
  }

  /** `copies` more of a packet that was just sent. */
  add(bytes: Uint8Array, length: number, copies: number, spread: Spread, now: Millis): void {
    const slot = this.#slot();
    if (slot < 0) {
      for (let i = 0; i < copies; i++) this.#send(bytes, length, spread, now);
      return;
    }
    (this.#slots[slot] as Uint8Array).set(bytes.subarray(0, length));
    this.#lengths[slot] = length;
    this.#left[slot] = copies;
    this.#both[slot] = spread === 'both' ? 1 : 0;
    this.#enqueue(slot, now);
  }

  tick(now: Millis): void {
    // Only what waits now: a clock that jumped does not send all copies of a packet at once.
    for (const end = this.#end; this.#first !== end && this.deadline <= now; ) {
      const slot = this.#queue[this.#first++ & (WAITING - 1)] as number;
      const spread = this.#both[slot] === 1 ? 'both' : 'best';
      this.#left[slot] = (this.#left[slot] as number) - 1;
      if (this.#left[slot] === 0) this.#free.push(slot);
      else this.#enqueue(slot, now);
      this.#send(this.#slots[slot] as Uint8Array, this.#lengths[slot] as number, spread, now);
    }
  }

  #enqueue(slot: number, now: Millis): void {
    const at = this.#end++ & (WAITING - 1);
    this.#queue[at] = slot;
    this.#due[at] = now + COPY_SPACING_MS;
  }

  #slot(): number {
    const free = this.#free.pop();
    if (free !== undefined) return free;
    if (this.#slots.length === WAITING) return -1;
    this.#slots.push(new Uint8Array(SEND_BUFFER_BYTES));
    return this.#slots.length - 1;
  }
}
