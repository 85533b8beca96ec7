import type { Millis } from '../../kit/core.ts';
import type { Timer, TimerOwner, Timers } from './timers.ts';
import type { ServerTransaction } from './transaction.ts';
import type { ResponseParts } from './write.ts';

/** A client waits 64*T1 = 32 s for the answer to a request that is no INVITE (RFC 3261 §17.1.2.2); we end it before. */
const PATIENCE_MS = 20_000;

/** A request that waits for the application's word. It is answered once, by 504 if no word comes. */
export class Undecided implements TimerOwner {
  readonly transaction: ServerTransaction;
  readonly #timers: Timers;
  readonly #late: () => void;
  readonly #limit: Timer;

  constructor(timers: Timers, transaction: ServerTransaction, now: Millis, late: () => void) {
    this.#timers = timers;
    this.transaction = transaction;
    this.#late = late;
    this.#limit = timers.start(this, 'limit', now + PATIENCE_MS);
  }

  respond(status: number, parts: Omit<ResponseParts, 'topVia' | 'toTag'> = {}): void {
    this.#timers.stop(this.#limit);
    if (this.transaction.open) this.transaction.respond(status, parts);
  }

  timer(): void {
    this.respond(504);
    this.#late();
  }
}
