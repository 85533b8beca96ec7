import type { Millis } from '../kit/core.ts';
import { BLOCK_MS } from './codecs.ts';

/** A stall longer than this is skipped, not caught up: a burst helps nobody. */
const MAX_CATCH_UP_MS = 200;

/**
 * Which blocks are due. Block times stand on an absolute line 20 ms apart, so late ticks add no drift: they only
 * make several blocks at once. A tick up to half a block early counts as on time (timers round down).
 */
export class BlockClock {
  /** Number and nominal time of the block `step` granted last. */
  index = 0;
  at: Millis = 0;
  #next: Millis | undefined;

  /** Call once a tick, before `step`. */
  begin(now: Millis): void {
    this.#next ??= now;
    const behindMs = now - this.#next;
    if (behindMs <= MAX_CATCH_UP_MS) return;
    const skipped = Math.floor(behindMs / BLOCK_MS);
    this.#next += skipped * BLOCK_MS;
    this.index += skipped; // media time goes on as real time did
  }

  /** True as long as a block is due at `now`; `index` and `at` are then its. */
  step(now: Millis): boolean {
    if (this.#next === undefined || this.#next - now > BLOCK_MS / 2) return false;
    this.at = this.#next;
    this.#next += BLOCK_MS;
    this.index++;
    return true;
  }

  /** When block 0 would have been. */
  get origin(): Millis {
    return this.at - this.index * BLOCK_MS;
  }

  /** Nobody listens: the next `begin` starts a new line from its own time. */
  rest(): void {
    this.#next = undefined;
  }
}
