import { MAX_BLOCKS, RED_PATTERNS } from './red-patterns.ts';

/**
 * From one RED pattern to the next: what left under the first counts on being repeated by packets that leave under the second.
 * So for as long as the first reaches, packets carry what both would: all of the last n.
 */
export class RedHandover {
  #pattern = 0;
  /** A pattern of the last n, for so many packets more. */
  #both = 0;
  #left = 0;

  /** The pattern of the next packet, where `wanted` is in use from now on. */
  pattern(wanted: number): number {
    if (wanted !== this.#pattern) {
      const [before, after] = [reachOf(this.#pattern), reachOf(wanted)];
      this.#pattern = wanted;
      const both = Math.max(before, after, this.#left > 0 ? this.#both : 0);
      if (before > 0 && both <= MAX_BLOCKS) {
        this.#both = both; // index n of the patterns is 1…n
        this.#left = Math.max(before, this.#left);
      } else this.#left = 0;
    }
    if (this.#left === 0) return wanted;
    this.#left--;
    return this.#both;
  }
}

const reachOf = (pattern: number): number => RED_PATTERNS[pattern]?.at(-1) ?? 0;
