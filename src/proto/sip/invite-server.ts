import type { Millis } from '../../kit/core.ts';
import { sdpOf } from './message.ts';
import type { ReliableServer } from './reliable-server.ts';
import { T1, T1_64, T2, type Timer, type TimerOwner, type Timers } from './timers.ts';
import type { ServerTransaction } from './transaction.ts';
import type { ResponseParts } from './write.ts';

/** An INVITE nobody answers ends after this long; RFC 3261 §16.6 (timer C) lets proxies give up then as well. */
const RING_LIMIT_MS = 180_000;

/** What its call wants to know. */
export interface InviteServerUser {
  /** §13.3.1.4: "If the server retransmits the 2xx … for 64*T1 seconds without receiving an ACK, the dialog is confirmed, but the session SHOULD be terminated." */
  noAck(): void;
  unanswered(): void;
}

/** An INVITE or re-INVITE from the peer until its ACK: RFC 3261 §13.3, §14.2. Transactions do not resend a 2xx; this does. */
export class InviteServer implements TimerOwner {
  state: 'pending' | 'answered' | 'done' = 'pending';
  /** The offer is ours to make, in the 2xx; the peer's answer comes in the ACK. */
  readonly offerless: boolean;
  /** Offer and answer met in a reliable provisional response and its PRACK: neither 2xx nor ACK carries any (RFC 3262 §5). */
  settled = false;
  reliable: ReliableServer | undefined;
  readonly transaction: ServerTransaction;
  readonly #timers: Timers;
  readonly #user: InviteServerUser;
  #parts: Omit<ResponseParts, 'topVia' | 'toTag'> = {};
  #again: Timer | undefined;
  #limit: Timer | undefined;
  #intervalMs = T1;

  constructor(timers: Timers, transaction: ServerTransaction, user: InviteServerUser, now: Millis) {
    this.#timers = timers;
    this.transaction = transaction;
    this.#user = user;
    this.offerless = sdpOf(transaction.request) === undefined;
    this.#limit = timers.start(this, 'unanswered', now + RING_LIMIT_MS);
  }

  /** Our offer is in the 2xx: without its answer in the ACK there is no session. */
  get awaitsAnswer(): boolean {
    return this.offerless && !this.settled;
  }

  answer(parts: Omit<ResponseParts, 'topVia' | 'toTag'>, now: Millis): void {
    if (this.state !== 'pending') return;
    this.state = 'answered';
    this.#parts = parts;
    this.reliable?.stop();
    this.#timers.stop(this.#limit);
    this.transaction.respond(200, parts);
    // §13.3.1.4: "with an interval that starts at T1 seconds and doubles for each retransmission until it reaches T2".
    this.#again = this.#timers.start(this, 'again', now + this.#intervalMs);
    this.#limit = this.#timers.start(this, 'no-ack', now + T1_64);
  }

  refuse(status: number, parts: Omit<ResponseParts, 'topVia' | 'toTag'> = {}): void {
    if (this.state !== 'pending') return;
    this.stop();
    this.transaction.respond(status, parts);
  }

  /** True for the first ACK of the 2xx. */
  acknowledged(): boolean {
    if (this.state !== 'answered') return false;
    this.stop();
    return true;
  }

  timer(name: string, now: Millis): void {
    if (name === 'unanswered') return this.#user.unanswered();
    if (name === 'no-ack') {
      this.stop();
      return this.#user.noAck();
    }
    this.transaction.respond(200, this.#parts);
    this.#intervalMs = Math.min(this.#intervalMs * 2, T2);
    this.#again = this.#timers.start(this, 'again', now + this.#intervalMs);
  }

  stop(): void {
    this.state = 'done';
    this.reliable?.stop();
    this.#timers.stop(this.#again);
    this.#timers.stop(this.#limit);
  }
}
