import type { Millis } from '../../../kit/core.ts';

const WINDOW_MS = 500;
/** A source that was silent this long has no rate. */
const STALE_MS = 2000;

/** What the source of one kind produces, payload only. */
export class RateMeter {
  #since: Millis = Number.NEGATIVE_INFINITY;
  #bytes = 0;
  #packets = 0;
  #bps = 0;
  #perSecond = 0;
  #frames = 0;
  #above = 0;
  /** Between two frames; undefined before the first window is full, or without frames. */
  #frameMs: number | undefined;
  #layered = false;

  add(bytes: number, now: Millis): void {
    const elapsedMs = now - this.#since;
    if (elapsedMs >= WINDOW_MS) {
      if (elapsedMs < STALE_MS) {
        this.#bps = (this.#bytes * 8000) / elapsedMs;
        this.#perSecond = (this.#packets * 1000) / elapsedMs;
        this.#frameMs = this.#frames > 0 ? elapsedMs / this.#frames : undefined;
        this.#layered = this.#above * 4 > this.#frames;
      }
      this.#since = now;
      this.#bytes = this.#packets = this.#frames = this.#above = 0;
    }
    this.#bytes += bytes;
    this.#packets++;
  }

  /** A frame begins; `above`: no other refers to it. */
  frame(above: boolean): void {
    this.#frames++;
    if (above) this.#above++;
  }

  get frameMs(): number | undefined {
    return this.#frameMs;
  }
  /** A good part of the frames is above temporal layer 0. */
  get isLayered(): boolean {
    return this.#layered;
  }
  bps(now: Millis): number {
    return now - this.#since < STALE_MS ? this.#bps : 0;
  }
  packetsPerSecond(now: Millis): number {
    return now - this.#since < STALE_MS ? this.#perSecond : 0;
  }
}
