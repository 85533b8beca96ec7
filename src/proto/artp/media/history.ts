import type { Millis } from '../../../kit/core.ts';

/** How long a packet is kept if there is room, ms. */
export const KEPT_MS = 1000;
const FIRST_BYTES = 8192;

/**
 * The last packets of a track, plain: what redundancy, retransmission and repair are made from. Payloads lie one
 * behind the other in a ring of bytes that grows until it holds KEPT_MS of them, or to its limit.
 */
export class History {
  readonly #packets: number;
  readonly #maxBytes: number;
  #ring = new Uint8Array(FIRST_BYTES);
  /** Where the next payload goes, counted without wrap. */
  #head = 0;
  /** Packets put so far, and how many of them are gone. */
  #put = 0;
  #gone = 0;
  /** By the low bits of a sequence number: which one put it is. */
  readonly #byseq: Float64Array;
  readonly #flows: Int32Array;
  readonly #seqs: Uint16Array;
  readonly #starts: Float64Array;
  readonly #lengths: Uint16Array;
  readonly timestamps: Float64Array;
  readonly levels: Int8Array;
  readonly marks: Int16Array;
  readonly markers: Uint8Array;
  readonly times: Float64Array;
  /** When a packet was last sent again; −∞: never. */
  readonly resent: Float64Array;

  /** `packets`: a power of two. */
  constructor(packets: number, maxBytes: number) {
    this.#packets = packets;
    this.#maxBytes = maxBytes;
    this.#byseq = new Float64Array(packets).fill(-1);
    this.#flows = new Int32Array(packets);
    this.#seqs = new Uint16Array(packets);
    this.#starts = new Float64Array(packets);
    this.#lengths = new Uint16Array(packets);
    this.timestamps = new Float64Array(packets);
    this.levels = new Int8Array(packets);
    this.marks = new Int16Array(packets);
    this.markers = new Uint8Array(packets);
    this.times = new Float64Array(packets);
    this.resent = new Float64Array(packets);
  }

  /** Copies a packet; level and marks are −1 when there are none. */
  put(
    flow: number,
    seq: number,
    timestamp: number,
    level: number,
    marks: number,
    marker: boolean,
    payload: Uint8Array,
    now: Millis,
  ): void {
    const start = this.#room(payload.length, now);
    if (this.#put - this.#gone === this.#packets) this.#gone++;
    const at = this.#put & (this.#packets - 1);
    this.#byseq[seq & (this.#packets - 1)] = this.#put++;
    this.#flows[at] = flow;
    this.#seqs[at] = seq;
    this.#starts[at] = start;
    this.#lengths[at] = payload.length;
    this.#ring.set(payload, start % this.#ring.length);
    this.#head = start + payload.length;
    this.timestamps[at] = timestamp;
    this.levels[at] = level;
    this.marks[at] = marks;
    this.markers[at] = marker ? 1 : 0;
    this.times[at] = now;
    this.resent[at] = Number.NEGATIVE_INFINITY;
  }

  /** Index of a packet for the columns and for what follows; −1: not here. */
  find(flow: number, seq: number): number {
    const put = this.#byseq[seq & (this.#packets - 1)] as number;
    if (put < this.#gone) return -1;
    const at = put & (this.#packets - 1);
    return this.#flows[at] === flow && this.#seqs[at] === seq ? at : -1;
  }

  /** Where its payload starts in `bytes`. */
  start(at: number): number {
    return (this.#starts[at] as number) % this.#ring.length;
  }
  length(at: number): number {
    return this.#lengths[at] as number;
  }
  get bytes(): Uint8Array {
    return this.#ring;
  }
  /** Borrowed until the next `put`. */
  payload(at: number): Uint8Array {
    const start = this.start(at);
    return this.#ring.subarray(start, start + this.length(at));
  }

  /** A place for `length` bytes in one piece, over what is oldest. */
  #room(length: number, now: Millis): number {
    for (;;) {
      const size = this.#ring.length;
      const into = this.#head % size;
      const start = into + length > size ? this.#head - into + size : this.#head;
      const lost = start + length - size;
      if (!this.#isYoung(lost, now) || size >= this.#maxBytes) {
        while (this.#gone < this.#put && (this.#starts[this.#gone & (this.#packets - 1)] as number) < lost)
          this.#gone++;
        return start;
      }
      this.#grow();
    }
  }

  /** Something put less than KEPT_MS ago lies before `position`, which would be written over. */
  #isYoung(position: number, now: Millis): boolean {
    if (this.#gone === this.#put) return false;
    let at = this.#gone & (this.#packets - 1);
    // The oldest goes first: whatever is written over, the last of it is the youngest.
    for (let put = this.#gone; put < this.#put; put++) {
      if ((this.#starts[put & (this.#packets - 1)] as number) >= position) break;
      at = put & (this.#packets - 1);
      if (now - (this.times[at] as number) < KEPT_MS) return true;
    }
    return false;
  }

  #grow(): void {
    const old = this.#ring;
    this.#ring = new Uint8Array(Math.min(old.length * 2, this.#maxBytes));
    let head = 0;
    for (let put = this.#gone; put < this.#put; put++) {
      const at = put & (this.#packets - 1);
      const start = (this.#starts[at] as number) % old.length;
      const length = this.#lengths[at] as number;
      this.#ring.set(old.subarray(start, start + length), head);
      this.#starts[at] = head;
      head += length;
    }
    this.#head = head;
  }
}
