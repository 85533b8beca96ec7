import type { Millis } from '../../../contract.ts';
import { NEVER } from '../../../kit/core.ts';
import { VIDEO_TYPE } from '../header.ts';
import { REPAIR_TYPE } from '../media/repair-header.ts';
import { SEND_BUFFER_BYTES, type Spread } from '../media/types.ts';
import { Pacer } from '../rate/pacer.ts';

/** A key frame and what comes while it leaves. */
const MOST_WAITING = 256;
/** What would leave later than this is of no use any more. */
const MOST_WAIT_MS = 1000;

type Transmit = (bytes: Uint8Array, length: number, spread: Spread, now: Millis) => void;
interface Slot {
  readonly bytes: Uint8Array;
  length: number;
  spread: Spread;
  at: Millis;
}

/**
 * Pictures leave at the pace the path takes, not in the bursts of frames. Sound and what was asked for again never wait;
 * they leave less room for the rest.
 */
export class Paced {
  readonly #transmit: Transmit;
  readonly #count: (reason: string) => void;
  readonly #pacer = new Pacer();
  /** A ring of slots, made when they are first needed and used again. */
  readonly #slots: Slot[] = [];
  #first = 0;
  #waiting = 0;
  /** When it was last spoken to. */
  #now: Millis = 0;

  constructor(transmit: Transmit, count: (reason: string) => void) {
    this.#transmit = transmit;
    this.#count = count;
  }

  setRate(bps: number, now: Millis): void {
    this.#now = now;
    this.#pacer.setRate(bps, now);
  }

  send(bytes: Uint8Array, length: number, spread: Spread, now: Millis): void {
    const type = (bytes[1] as number) & 127;
    const canWait = type === VIDEO_TYPE || type === REPAIR_TYPE;
    if (canWait && (this.#waiting > 0 || !this.#pacer.ready(now)))
      return this.#wait(bytes, length, spread, now);
    this.#pacer.spend(length, now);
    this.#transmit(bytes, length, spread, now);
  }

  get deadline(): Millis {
    if (this.#waiting === 0) return NEVER;
    const at = this.#pacer.deadline;
    return at === NEVER ? this.#now : at; // the rate rose meanwhile: at once
  }

  tick(now: Millis): void {
    while (this.#waiting > 0) {
      const slot = this.#slots[this.#first] as Slot;
      const tooLate = now - slot.at > MOST_WAIT_MS;
      if (!tooLate && !this.#pacer.ready(now)) return;
      this.#first = (this.#first + 1) % MOST_WAITING;
      this.#waiting--;
      if (tooLate) this.#count('paced-too-late');
      else {
        this.#pacer.spend(slot.length, now);
        this.#transmit(slot.bytes, slot.length, slot.spread, now);
      }
    }
  }

  #wait(bytes: Uint8Array, length: number, spread: Spread, now: Millis): void {
    if (this.#waiting === MOST_WAITING) return this.#count('paced-full');
    const at = (this.#first + this.#waiting++) % MOST_WAITING;
    const slot = (this.#slots[at] ??= { bytes: new Uint8Array(SEND_BUFFER_BYTES), length, spread, at: now });
    slot.bytes.set(length < bytes.length ? bytes.subarray(0, length) : bytes);
    slot.length = length;
    slot.spread = spread;
    slot.at = now;
  }
}
