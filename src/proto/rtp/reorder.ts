import type { MediaPacket, Sink } from '../../contract.ts';
import { type Millis, NEVER } from '../../kit/core.ts';

/** Packets that may wait behind a hole; also how far ahead one may come. A power of two. */
const HELD = 256;
/** A packet that was merely overtaken comes within this time: sooner nothing is asked for. */
const OVERTAKEN_MS = 8;
/** A request or its answer may be lost too. */
const ASK_AGAIN_MS = 60;

interface Held {
  readonly packet: MediaPacket;
  readonly at: Millis;
}

/**
 * Puts packets in the order of `seq` before they are looked at: what comes in order passes at once, what comes
 * behind a hole waits until the hole is filled (the packet was overtaken, or was asked for and sent again) or
 * `waitMs` are over. Then the hole is passed over and `lost` is told.
 */
export class Reorder {
  /** How long a hole may stop what is behind it. */
  waitMs: Millis;
  readonly #next: Sink<MediaPacket>;
  readonly #lost: (packets: number) => void;
  readonly #slots: (Held | undefined)[] = new Array(HELD).fill(undefined);
  /** The number that passes next; −1 before the first. */
  #due = -1;
  /** One above the highest seen. */
  #end = -1;
  /** Since when `#due` is known to be missing: when the first packet behind it came. */
  #holeAt: Millis = NEVER;
  #askAt: Millis = NEVER;

  constructor(waitMs: Millis, next: Sink<MediaPacket>, lost: (packets: number) => void) {
    this.waitMs = waitMs;
    this.#next = next;
    this.#lost = lost;
  }

  /** False: too late, what was behind it has passed. */
  push(p: MediaPacket, now: Millis): boolean {
    const { seq } = p;
    if (this.#due < 0) this.#due = this.#end = seq;
    if (seq < this.#due) return false;
    if (seq >= this.#due + HELD) {
      this.#passTo(seq - HELD + 1, now);
      this.#drain(now);
    }
    if (seq === this.#due) {
      this.#due++;
      if (this.#end < this.#due) this.#end = this.#due;
      this.#next(p, now);
      if (this.#end > this.#due) this.#drain(now);
      return true;
    }
    const packet = { seq, pts: p.pts, marker: p.marker, payload: p.payload.slice() };
    this.#slots[seq & (HELD - 1)] = { packet, at: now };
    if (seq >= this.#end) {
      if (seq > this.#end) this.#askAt = Math.min(this.#askAt, now + OVERTAKEN_MS);
      this.#end = seq + 1;
    }
    if (this.#holeAt === NEVER) this.#holeAt = now;
    return true;
  }

  /** When `missing` or `tick` has something to do. */
  get deadline(): Millis {
    return Math.min(this.#askAt, this.#holeAt + this.waitMs);
  }

  /** Numbers to ask for now, ascending; the same again after a while. */
  missing(now: Millis): number[] {
    if (now < this.#askAt) return [];
    this.#askAt = now + ASK_AGAIN_MS;
    const missing: number[] = [];
    for (let seq = this.#due; seq < this.#end; seq++)
      if (this.#slots[seq & (HELD - 1)] === undefined) missing.push(seq);
    return missing;
  }

  /** Passes over holes that were waited for long enough. */
  tick(now: Millis): void {
    while (now >= this.#holeAt + this.waitMs) {
      this.#passTo(this.#behind(), now);
      this.#drain(now);
    }
  }

  /** What waits is dropped; the next packet begins anew. */
  reset(): void {
    this.#slots.fill(undefined);
    this.#due = this.#end = -1;
    this.#holeAt = this.#askAt = NEVER;
  }

  /** Everything before `seq` passes or is given up. */
  #passTo(seq: number, now: Millis): void {
    let lost = 0;
    for (; this.#due < seq; this.#due++) {
      if (this.#slots[this.#due & (HELD - 1)] === undefined) {
        lost++;
        continue;
      }
      if (lost > 0) this.#lost(lost);
      lost = 0;
      this.#release(this.#due, now);
    }
    if (lost > 0) this.#lost(lost);
    if (this.#end < this.#due) this.#end = this.#due;
    this.#settle();
  }

  #drain(now: Millis): void {
    while (this.#slots[this.#due & (HELD - 1)] !== undefined) this.#release(this.#due++, now);
    this.#settle();
  }

  #release(seq: number, now: Millis): void {
    const { packet } = this.#slots[seq & (HELD - 1)] as Held;
    this.#slots[seq & (HELD - 1)] = undefined;
    this.#next(packet, now);
  }

  /** The first packet that waits behind the hole. */
  #behind(): number {
    let seq = this.#due;
    while (seq < this.#end && this.#slots[seq & (HELD - 1)] === undefined) seq++;
    return seq;
  }

  #settle(): void {
    const hole = this.#due < this.#end;
    this.#holeAt = hole ? (this.#slots[this.#behind() & (HELD - 1)] as Held).at : NEVER;
    if (!hole) this.#askAt = NEVER;
  }
}
