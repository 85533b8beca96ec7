import { type Millis, NEVER } from '../../kit/core.ts';
import type { Rtcp } from '../rtp/rtcp.ts';

/** Arrivals remembered; a power of two. At 2048 a feedback interval, 250 Mbit/s. */
const KEPT = 2048;
/** Feedback is due after the longer time, or the shorter once there is plenty to tell. */
const SHORT_MS = 50;
const LONG_MS = 100;
const PLENTY = 20;
/** Of one feedback packet: fits a datagram with all deltas large. */
const MAX_STATUSES = 400;
/** Of these, lost ones before the first that came. */
const MAX_LEADING = 200;
/** What arrives this far behind the newest was told as lost and is not taken back. */
const MAX_LATE = 500;
/** Signed 16 bits of 250 µs. */
const MAX_DELTA = 32_767;
const TICKS_PER_MS = 4;
const TICKS_PER_REFERENCE = 256; // 64 ms

type Feedback = Extract<Rtcp, { type: 'twcc' }>;

/**
 * The receiver's side of transport-wide congestion control: remembers when each packet of the transport came, and
 * makes the feedback from which the sender (the browser) estimates its bandwidth.
 */
export class Arrivals {
  /** When `feedback` is due. */
  deadline: Millis = NEVER;
  /** Ticks of 250 µs, by number; valid where `#numbers` agrees. */
  readonly #times = new Float64Array(KEPT);
  readonly #numbers = new Float64Array(KEPT).fill(-1);
  /** Extended: the next to tell, and the newest that came. */
  #next = -1;
  #newest = -1;
  #pending = 0;
  #firstPendingAt: Millis = 0;
  #count = 0;

  /** `number`: 16 bits, of the header extension. */
  arrived(number: number, now: Millis): void {
    if (this.#newest < 0) this.#next = this.#newest = 0x10000 + number;
    const step = (((number - this.#newest) & 0xffff) ^ 0x8000) - 0x8000;
    const extended = this.#newest + step;
    if (step < -MAX_LATE) return;
    if (step > KEPT / 2) this.#next = extended; // the sender began anew: nothing between was ever sent
    if (extended > this.#newest) this.#newest = extended;
    if (extended < this.#next) this.#next = extended; // was told as lost: tell it and what follows again
    const at = extended & (KEPT - 1);
    if (this.#numbers[at] === extended) return;
    this.#numbers[at] = extended;
    this.#times[at] = Math.round(now * TICKS_PER_MS);
    if (this.#pending++ === 0) this.#firstPendingAt = now;
    this.deadline = this.#firstPendingAt + (this.#pending >= PLENTY ? SHORT_MS : LONG_MS);
  }

  /** Everything since the last call. `sender`: our SSRC; `media`: any SSRC of the peer. */
  feedback(sender: number, media: number): Feedback[] {
    this.deadline = NEVER;
    const packets: Feedback[] = [];
    while (this.#pending > 0 && this.#next <= this.#newest) packets.push(this.#one(sender, media));
    this.#pending = 0;
    return packets;
  }

  #one(sender: number, media: number): Feedback {
    let first = this.#next;
    while (!this.#has(first)) first++; // the newest did come
    const base = (this.#next = Math.max(this.#next, first - MAX_LEADING));
    const reference = Math.floor(this.#times[first & (KEPT - 1)]! / TICKS_PER_REFERENCE);
    let last = reference * TICKS_PER_REFERENCE;
    const arrivals: (number | undefined)[] = [];
    for (; this.#next <= this.#newest && arrivals.length < MAX_STATUSES; this.#next++) {
      if (!this.#has(this.#next)) {
        arrivals.push(undefined);
        continue;
      }
      const time = this.#times[this.#next & (KEPT - 1)]!;
      if (Math.abs(time - last) > MAX_DELTA) break;
      arrivals.push(time - last);
      last = time;
    }
    const count = this.#count++ & 0xff;
    // 24 bits, signed on the wire.
    return {
      type: 'twcc',
      sender,
      media,
      base: base & 0xffff,
      reference: (reference << 8) >> 8,
      count,
      arrivals,
    };
  }

  #has(number: number): boolean {
    return this.#numbers[number & (KEPT - 1)] === number;
  }
}
