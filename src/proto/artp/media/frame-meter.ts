import { END, START } from '../header.ts';

/** Frames whose packets may still be under way; a power of two. */
const FRAMES = 32;
/** Of each frame, side by side: timestamp, packets that came, first and last sequence number. */
const TIMESTAMP = 0;
const PACKETS = 1;
const FIRST = 2;
const LAST = 3;
const FIELDS = 4;
const UNKNOWN = -1;

/** Counts the frames of a flow all of whose packets came, in whatever order. */
export class FrameMeter {
  /** Timestamps as signed 32 bits. */
  readonly #frames = new Int32Array(FRAMES * FIELDS);
  /** Frames begun so far. */
  #begun = 0;
  /** Timestamp of the newest: most packets are of it, or begin the next. */
  #newest = 0;
  complete = 0;

  /** Another flow begins. */
  reset(): void {
    this.#begun = 0;
  }

  note(seq: number, timestamp: number, marks: number): void {
    const frames = this.#frames;
    const at = this.#of(timestamp | 0);
    const packets = (frames[at + PACKETS] as number) + 1;
    frames[at + PACKETS] = packets;
    if (marks & START) frames[at + FIRST] = seq;
    if (marks & END) frames[at + LAST] = seq;
    const first = frames[at + FIRST] as number;
    const last = frames[at + LAST] as number;
    if (first !== UNKNOWN && last !== UNKNOWN && packets === last - first + 1) this.complete++;
  }

  /** Where its fields are. */
  #of(timestamp: number): number {
    const frames = this.#frames;
    if (this.#begun === 0 || ((timestamp - this.#newest) | 0) > 0) this.#newest = timestamp;
    else
      for (let n = this.#begun - 1; n >= 0 && n >= this.#begun - FRAMES; n--) {
        const at = (n & (FRAMES - 1)) * FIELDS;
        if (frames[at + TIMESTAMP] === timestamp) return at;
      }
    const at = (this.#begun++ & (FRAMES - 1)) * FIELDS;
    frames[at + TIMESTAMP] = timestamp;
    frames[at + PACKETS] = 0;
    frames[at + FIRST] = frames[at + LAST] = UNKNOWN;
    return at;
  }
}
