import type { Feedback, Millis } from '../../../contract.ts';

/** A limit that proved too low goes up by so much, so often. */
const STEP = 1.15;
const STEP_MS = 2000;
/** Beyond this nobody is limited. */
const MOST_BPS = 10_000_000;

/** What the source of a track is told: what its receiver takes or what the path takes, whichever is less. */
export class SourceLimit {
  readonly #on: (f: Feedback) => void;
  #receiverBps = Number.POSITIVE_INFINITY;
  #pathBps = Number.POSITIVE_INFINITY;
  #changedAt: Millis = 0;
  #told: number | undefined;

  constructor(on: (f: Feedback) => void) {
    this.#on = on;
  }

  /** From the receiver. */
  asked(f: Feedback): void {
    if (f.type !== 'bitrate') return this.#on(f);
    this.#receiverBps = f.bps;
    this.#tell();
  }

  /** From the policy: the path carries the source at `bps`, and that is less than it sends. */
  lower(bps: number, now: Millis): void {
    this.#pathBps = bps;
    this.#changedAt = now;
    this.#tell();
  }

  /** All of it is carried, and more would be. */
  raise(now: Millis): void {
    if (this.#pathBps === Number.POSITIVE_INFINITY || now - this.#changedAt < STEP_MS) return;
    const bps = this.#pathBps * STEP;
    this.lower(bps > MOST_BPS ? Number.POSITIVE_INFINITY : bps, now);
  }

  #tell(): void {
    const bps = Math.round(Math.min(this.#receiverBps, this.#pathBps, MOST_BPS));
    if (bps === this.#told) return;
    this.#told = bps;
    this.#on({ type: 'bitrate', bps });
  }
}
