import type { Millis } from './core.ts';

/** Token bucket: `burst` at once, then `perSecond`. */
export class RateLimit {
  #tokens: number;
  #at: Millis | undefined;
  readonly #perSecond: number;
  readonly #burst: number;
  constructor(perSecond: number, burst: number) {
    this.#perSecond = perSecond;
    this.#burst = burst;
    this.#tokens = burst;
  }

  /** True when one more would be allowed at `now`. */
  allows(now: Millis): boolean {
    this.#fill(now);
    return this.#tokens >= 1;
  }

  /** True when one more is allowed at `now`, which it then was. */
  take(now: Millis): boolean {
    if (!this.allows(now)) return false;
    this.#tokens -= 1;
    return true;
  }

  #fill(now: Millis): void {
    const elapsedMs = this.#at === undefined ? 0 : Math.max(0, now - this.#at);
    this.#at = now;
    this.#tokens = Math.min(this.#burst, this.#tokens + (elapsedMs / 1000) * this.#perSecond);
  }
}

/** One `RateLimit` a key (an address, a user), with a bound on how many keys are remembered: the oldest goes. */
export class RateLimits {
  readonly #byKey = new Map<string, RateLimit>();
  readonly #make: () => RateLimit;
  readonly #maxKeys: number;
  constructor(make: () => RateLimit, maxKeys = 10_000) {
    this.#make = make;
    this.#maxKeys = maxKeys;
  }

  allows(key: string, now: Millis): boolean {
    return this.#byKey.get(key)?.allows(now) ?? true;
  }

  take(key: string, now: Millis): boolean {
    let limit = this.#byKey.get(key);
    if (limit === undefined) {
      limit = this.#make();
      if (this.#byKey.size >= this.#maxKeys) this.#byKey.delete(this.#byKey.keys().next().value as string);
    } else this.#byKey.delete(key); // put back at the end: least recently used first
    this.#byKey.set(key, limit);
    return limit.take(now);
  }
}

/** Counts what was dropped, by reason. Reasons come from code, never from the wire, so the map stays small. */
export class Drops {
  readonly #counts = new Map<string, number>();
  count(reason: string): void {
    this.#counts.set(reason, (this.#counts.get(reason) ?? 0) + 1);
  }
  get(reason: string): number {
    return this.#counts.get(reason) ?? 0;
  }
  /** Everything counted so far. */
  all(): ReadonlyMap<string, number> {
    return this.#counts;
  }
}
