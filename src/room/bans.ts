import type { Who } from '../contract.ts';
import type { Millis } from '../kit/core.ts';

/** More than this are never remembered: the oldest ban goes first. */
const MAX_BANS = 1000;

/** Whom, as the list writes it, and for how long, ms. */
export type BanLeft = readonly [key: string, leftMs: number];

/** Who was kicked and may not come back yet. A claimed name is banned from its address only. */
export class Bans {
  readonly #until = new Map<string, Millis>();

  /** What lasts, with the time each has left, ms. */
  left(now: Millis): BanLeft[] {
    return [...this.#until].flatMap(([key, until]) => (until > now ? [[key, until - now] as const] : []));
  }

  /** As `left` told it. */
  restore(left: readonly BanLeft[], now: Millis): void {
    for (const [key, ms] of left.slice(-MAX_BANS)) this.#until.set(key, now + ms);
  }

  add(who: Who, until: Millis): void {
    if (this.#until.size >= MAX_BANS) this.#until.delete(this.#until.keys().next().value as string);
    this.#until.set(keyOf(who), until);
  }

  has(who: Who, now: Millis): boolean {
    const until = this.#until.get(keyOf(who));
    if (until === undefined) return false;
    if (until > now) return true;
    this.#until.delete(keyOf(who));
    return false;
  }
}

const keyOf = (who: Who): string => (who.proof === 'claimed' ? `${who.address ?? ''}|${who.user}` : who.user);
