import type { Millis } from '../kit/core.ts';
import { RateLimit, RateLimits } from '../kit/limits.ts';

/** Ten wrong PINs at once, then one a minute: a person mistypes less, and four digits outlast months of guessing. */
const wrongTries = (): RateLimit => new RateLimit(1 / 60, 10);

/** Wrong PINs by room and source address, over all calls and protocols. They outlive the room. */
export class PinTries {
  readonly #wrong = new RateLimits(wrongTries);

  /** False: this source has guessed too often; not even the right PIN is looked at. */
  allows(room: string, address: string | undefined, now: Millis): boolean {
    return this.#wrong.allows(keyOf(room, address), now);
  }

  wrong(room: string, address: string | undefined, now: Millis): void {
    this.#wrong.take(keyOf(room, address), now);
  }
}

const keyOf = (room: string, address = ''): string => `${address}|${room}`;
