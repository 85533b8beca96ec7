import type { Millis } from '../../src/contract.ts';
import { RateLimit, RateLimits } from '../../src/kit/limits.ts';

/** As many are remembered; the one held longest goes. */
const MAX_KEYS = 10_000;

/** Counts failures by key and holds those that have too many for a time. */
export class Tally {
  readonly #failures: RateLimits;
  readonly #holdMs: Millis;
  /** Key → until when. In the order in which they will be over. */
  readonly #held = new Map<string, Millis>();

  constructor(perMinute: number, holdMs: Millis) {
    this.#failures = new RateLimits(() => new RateLimit(perMinute / 60, perMinute), MAX_KEYS);
    this.#holdMs = holdMs;
  }

  get held(): number {
    return this.#held.size;
  }

  holds(key: string, now: Millis): boolean {
    const until = this.#held.get(key);
    if (until === undefined) return false;
    if (now < until) return true;
    this.#held.delete(key);
    return false;
  }

  /** One more failure. True when it begins to be held by it; `atOnce`: this one is enough. */
  fail(key: string, now: Millis, atOnce = false): boolean {
    if (this.holds(key, now) || (!atOnce && this.#failures.take(key, now))) return false;
    for (const [old, until] of this.#held) {
      if (until > now && this.#held.size < MAX_KEYS) break;
      this.#held.delete(old);
    }
    this.#held.set(key, now + this.#holdMs);
    return true;
  }
}
