import { type Millis, NEVER } from '../../../kit/core.ts';
import { Extender } from '../../../kit/sequence.ts';
import type { Rtcp } from '../../rtp/rtcp.ts';

/** Between reports, and for how long the last ones are repeated when nothing new comes. */
const REPORT_MS = 100;
const REPEAT_MS = 1000;
/**
 * Every report tells of so much again: thirty reports would have to be lost before a bit is. At 80 % loss of feedback
 * that is one bit in eight hundred.
 */
const BITMAP_MS = 3000;
/** Bits of a bitmap whose every chunk tells the least, 15 packets: 560 bytes. */
const MOST_BITS = 4200;
/** Times are for the rate only: shorter, and fewer at high rates, 250 µs each. */
const TIMES_MS = 500;
const MOST_TIMES = 250;
const MOST_DELTA = 32_767;
const FIRST_KEPT = 256;
const MOST_KEPT = 16_384;
const TICKS_PER_MS = 4;
const TICKS_PER_REFERENCE = 256;

/**
 * The receiver's record of one path: which packets came and when. Its reports are cumulative (RFC 3611 §4.1, one bit a
 * packet) and timed (transport-wide feedback, the draft every browser speaks); the SSRC of the media in both is the
 * number of the path. A third block echoes the send time of the newest packet (RFC 3611 §4.5), for the round trip.
 * At most 1200 bytes.
 */
export class LossRecorder {
  /** When `report` is due. */
  deadline: Millis = NEVER;
  readonly #path: number;
  readonly #extender = new Extender(16);
  /** A ring by sequence number: the extended one, and when it came. */
  #numbers = new Float64Array(FIRST_KEPT).fill(-1);
  #arrivals = new Float64Array(FIRST_KEPT);
  #first = -1;
  #newest = -1;
  #echo = 0;
  #echoAt: Millis = 0;
  #elicitedAt: Millis = Number.NEGATIVE_INFINITY;
  #reports = 0;
  /** The newest told of. */
  #told = -1;

  /** `path`: its number in the hop trailer. */
  constructor(path: number) {
    this.#path = path;
  }

  /**
   * A packet that opened. `sequence` (16 bits) and `sendTime` (24 bits, 2^-18 s) are those of its trailer.
   * `elicits`: false for what carries feedback itself: two idle ends would report each other's reports for ever.
   */
  note(sequence: number, sendTime: number, now: Millis, elicits = true): void {
    const number = this.#extender.extend(sequence);
    if (this.#first < 0) this.#first = this.#newest = number;
    if (number < this.#first || number <= this.#newest - MOST_KEPT) return;
    if (number > this.#newest) this.#newest = number;
    this.#grow(number, now);
    const at = number & (this.#numbers.length - 1);
    if (this.#numbers[at] === number) return; // twice: the first arrival counts
    this.#numbers[at] = number;
    this.#arrivals[at] = now;
    this.#echo = sendTime;
    this.#echoAt = now;
    if (!elicits) return;
    this.#elicitedAt = now;
    if (this.deadline === NEVER) this.deadline = now + REPORT_MS;
    // More than one report holds must not pass between two: what is in none would look lost.
    else if (number - this.#told > MOST_BITS / 2 && this.#told >= 0)
      this.deadline = Math.min(this.deadline, now);
  }

  /** What is due now, for `writeRtcp`; undefined when nothing is. `sender`: SSRC under which it is sent. */
  report(sender: number, now: Millis): Rtcp[] | undefined {
    if (now < this.deadline) return undefined;
    this.deadline = now - this.#elicitedAt < REPEAT_MS ? now + REPORT_MS : NEVER;
    this.#told = this.#newest;
    const delay = Math.round((now - this.#echoAt) * 65.536);
    return [
      {
        type: 'xr',
        ssrc: sender,
        losses: [this.#bitmap(now)],
        delays: [{ source: this.#path, lastTime: this.#echo >>> 2, delay }],
      },
      this.#times(sender, now),
    ];
  }

  #has(number: number): boolean {
    return this.#numbers[number & (this.#numbers.length - 1)] === number;
  }

  #bitmap(now: Millis): { source: number; begin: number; came: Uint8Array } {
    const least = Math.max(this.#first, this.#newest + 1 - Math.min(MOST_BITS, this.#numbers.length));
    let begin = this.#newest;
    for (let n = this.#newest - 1; n >= least; n--) {
      if (!this.#has(n)) continue;
      if (this.#arrivalOf(n) < now - BITMAP_MS) break;
      begin = n;
    }
    // What was lost before the oldest that came belongs to it.
    while (begin > least && !this.#has(begin - 1)) begin--;
    const came = new Uint8Array(this.#newest + 1 - begin);
    for (let i = 0; i < came.length; i++) came[i] = this.#has(begin + i) ? 1 : 0;
    return { source: this.#path, begin: begin & 0xffff, came };
  }

  #times(sender: number, now: Millis): Rtcp {
    let base = this.#newest;
    const least = Math.max(this.#first, this.#newest + 1 - MOST_TIMES);
    for (let n = base - 1; n >= least; n--)
      if (this.#has(n)) {
        if (this.#arrivalOf(n) < now - TIMES_MS) break;
        base = n;
      }
    const reference = Math.floor(this.#ticks(base) / TICKS_PER_REFERENCE);
    let last = reference * TICKS_PER_REFERENCE;
    const arrivals: (number | undefined)[] = [];
    for (let n = base; n <= this.#newest; n++) {
      const ticks = this.#ticks(n);
      const told = this.#has(n) && Math.abs(ticks - last) <= MOST_DELTA;
      arrivals.push(told ? ticks - last : undefined);
      if (told) last = ticks;
    }
    return {
      type: 'twcc',
      sender,
      media: this.#path,
      base: base & 0xffff,
      reference: (reference << 8) >> 8, // 24 bits, signed on the wire
      count: this.#reports++ & 0xff,
      arrivals,
    };
  }

  #arrivalOf(number: number): Millis {
    return this.#arrivals[number & (this.#arrivals.length - 1)]!;
  }

  #ticks(number: number): number {
    return Math.round(this.#arrivalOf(number) * TICKS_PER_MS);
  }

  /** Room for all of the last seconds: a path that carries little keeps little. */
  #grow(number: number, now: Millis): void {
    for (let size = this.#numbers.length; size < MOST_KEPT; size *= 2) {
      const at = number & (size - 1);
      if (this.#numbers[at] === -1 || this.#arrivals[at]! < now - BITMAP_MS) return;
      if (this.#numbers[at]! >= number) return;
      const numbers = new Float64Array(size * 2).fill(-1);
      const arrivals = new Float64Array(size * 2);
      for (let i = 0; i < size; i++) {
        const to = this.#numbers[i]! & (size * 2 - 1);
        if (this.#numbers[i] === -1) continue;
        numbers[to] = this.#numbers[i]!;
        arrivals[to] = this.#arrivals[i]!;
      }
      this.#numbers = numbers;
      this.#arrivals = arrivals;
    }
  }
}
