import { END, START } from '../header.ts';

/** Frames whose packets may still be under way; a power of two. */
const FRAMES = 32;

/** Counts the frames of a flow all of whose packets came, in whatever order. */
export class FrameMeter {
  readonly #timestamps = new Float64Array(FRAMES).fill(-1);
  readonly #packets = new Uint16Array(FRAMES);
  readonly #starts = new Int32Array(FRAMES);
  readonly #ends = new Int32Array(FRAMES);
  #next = 0;
  #newest = -1;
  complete = 0;

  /** Another flow begins. */
  reset(): void {
    this.#timestamps.fill(-1);
    this.#newest = -1;
  }

  note(seq: number, timestamp: number, marks: number): void {
    const at = this.#of(timestamp);
    this.#packets[at] = (this.#packets[at] as number) + 1;
    if (marks & START) this.#starts[at] = seq;
    if (marks & END) this.#ends[at] = seq;
    const start = this.#starts[at] as number;
    const end = this.#ends[at] as number;
    if (start >= 0 && end >= 0 && this.#packets[at] === end - start + 1) this.complete++;
  }

  #of(timestamp: number): number {
    if (timestamp > this.#newest) this.#newest = timestamp;
    else
      for (let i = 1; i <= FRAMES; i++) {
        const at = (this.#next - i) & (FRAMES - 1);
        if (this.#timestamps[at] === timestamp) return at;
      }
    const at = this.#next++ & (FRAMES - 1);
    this.#timestamps[at] = timestamp;
    this.#packets[at] = 0;
    this.#starts[at] = this.#ends[at] = -1;
    return at;
  }
}
