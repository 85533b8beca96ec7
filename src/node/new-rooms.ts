import type { Clock } from '../contract.ts';
import { RateLimit, RateLimits } from '../kit/limits.ts';
import { type Refusal, refuse } from '../kit/refusal.ts';

export interface NewRoomsOptions {
  readonly clock: Clock;
  readonly maxRooms: number;
  /** New rooms one address may make a minute. */
  readonly newRoomsPerMinute: number;
}

/** How many rooms there may be, and how fast a stranger may make them. */
export class NewRooms {
  readonly #o: NewRoomsOptions;
  readonly #rates: RateLimits;

  constructor(options: NewRoomsOptions) {
    this.#o = options;
    const { newRoomsPerMinute } = options;
    this.#rates = new RateLimits(() => new RateLimit(newRoomsPerMinute / 60, newRoomsPerMinute));
  }

  /** What keeps `address` from making one more beside the `count` that are there; undefined: nothing, and it counts. */
  refusal(count: number, address: string): Refusal | undefined {
    const { maxRooms, clock } = this.#o;
    if (count >= maxRooms)
      return refuse(
        'server',
        'too-many-rooms',
        `This server holds ${maxRooms} rooms at most (rooms.maxRooms).`,
      );
    if (this.#rates.take(address, clock.now())) return undefined;
    return refuse(
      'client',
      'too-many-new-rooms',
      'This address has made too many rooms; wait a minute (rooms.newRoomsPerMinute).',
    );
  }
}
