import { isIP } from 'node:net';
import type { Clock } from '../contract.ts';
import type { Resolver } from '../io/resolver.ts';

/** A name is asked for again after this long, found or not: hosts move. */
const AGAIN_MS = 30_000;
/** More names than any system has processes. */
const MAX_NAMES = 1000;

/** Numeric addresses of the host names in adverts, without waiting: undefined until a name has been resolved. */
export class Addresses {
  readonly #resolver: Resolver;
  readonly #clock: Clock;
  readonly #known = new Map<string, { address: string | undefined; askAgainAt: number }>();

  constructor(resolver: Resolver, clock: Clock) {
    this.#resolver = resolver;
    this.#clock = clock;
  }

  of(host: string): string | undefined {
    if (isIP(host) !== 0) return host;
    const now = this.#clock.now();
    const known = this.#known.get(host);
    if (known === undefined || now >= known.askAgainAt) this.#ask(host, known?.address, now);
    return known?.address;
  }

  #ask(host: string, address: string | undefined, now: number): void {
    if (this.#known.size >= MAX_NAMES) this.#known.clear();
    const entry = { address, askAgainAt: now + AGAIN_MS };
    this.#known.set(host, entry);
    void this.#resolver.resolve('a', host).then(({ records }) => {
      entry.address = records[0]?.address ?? entry.address;
    });
  }
}
