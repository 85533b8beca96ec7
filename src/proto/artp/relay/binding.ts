import { type Millis, NEVER } from '../../../kit/core.ts';
import { BOUND, isSigned, NONCE_BYTES, readBound, writeBind } from './bind.ts';
import type { RelayTicket } from './ticket.ts';

/** While no answer comes: soon at first, for a router that is there, then seldom. */
const TRY_MS = [200, 400, 800, 1600, 3200, 5000] as const;
/** Several in a keep time, so that one loss or two cost nothing. */
const REFRESH_SHARE = 4;
const MAX_REFRESH_MS = 15_000;
/** So many refreshes without an answer: the router is gone, or does not know us any more. */
const MAX_UNANSWERED = 3;

export interface RelayBindingOptions {
  /** Connection ids of the session: `ours` is what the router shall deliver to us. */
  readonly ours: Uint8Array;
  readonly theirs: Uint8Array;
  readonly ticket: RelayTicket;
  readonly random: (bytes: number) => Buffer;
  /** To the router, from the socket the session sends by. */
  readonly send: (bind: Buffer) => void;
  /** The route by this router can be used, or no longer. */
  readonly on: (isBound: boolean) => void;
}

/**
 * A client's side of its binding at one router: asks, shows the cookie, refreshes. After a change of the client's own
 * address `again` binds anew. Sans I/O: whoever owns the socket calls `tick` at `deadline`.
 */
export class RelayBinding {
  deadline: Millis;
  readonly #o: RelayBindingOptions;
  #nonce: Buffer;
  #cookie: Buffer | undefined;
  #tries = 0;
  #unanswered = 0;
  #bound = false;

  constructor(options: RelayBindingOptions, now: Millis) {
    this.#o = options;
    this.#nonce = options.random(NONCE_BYTES);
    this.deadline = now;
  }

  get isBound(): boolean {
    return this.#bound;
  }

  tick(now: Millis): void {
    if (now < this.deadline) return;
    if (this.#bound && this.#unanswered >= MAX_UNANSWERED) this.#change(false);
    this.#unanswered++;
    this.#ask(now);
  }

  /** Our address may have changed: do not wait for the next refresh. */
  again(now: Millis): void {
    if (this.deadline === NEVER) return;
    this.#tries = 0;
    this.#ask(now);
  }

  /** A datagram from the router whose first byte is BOUND. Returns why it is junk. */
  handle(b: Buffer, now: Millis): string | undefined {
    const m = b[0] === BOUND ? readBound(b) : undefined;
    if (m === undefined) return 'not-bound';
    if (
      this.deadline === NEVER ||
      !this.#nonce.equals(m.nonce) ||
      !Buffer.from(this.#o.ours).equals(m.client)
    )
      return 'unasked-bound';
    if (!isSigned(b, this.#o.ticket.key)) return 'forged-bound';
    this.#cookie = Buffer.from(m.cookie);
    this.#unanswered = 0;
    if (!m.isBound) {
      // Once more with the cookie; a router that asks again and again is asked ever less often.
      this.#ask(now);
      return undefined;
    }
    this.#tries = 0;
    this.deadline = now + Math.min(MAX_REFRESH_MS, (m.keepS * 1000) / REFRESH_SHARE);
    this.#change(true);
    return undefined;
  }

  close(): void {
    this.deadline = NEVER;
    this.#bound = false;
  }

  #ask(now: Millis): void {
    const { ours, theirs, ticket, random, send } = this.#o;
    this.#nonce = random(NONCE_BYTES);
    this.deadline = now + (TRY_MS[this.#tries] as number);
    this.#tries = Math.min(this.#tries + 1, TRY_MS.length - 1);
    const { expiresAt, key } = ticket;
    send(
      writeBind(
        {
          nonce: this.#nonce,
          client: ours,
          server: theirs,
          expiresAt,
          ...(this.#cookie && { cookie: this.#cookie }),
        },
        key,
      ),
    );
  }

  #change(isBound: boolean): void {
    if (this.#bound === isBound) return;
    this.#bound = isBound;
    this.#o.on(isBound);
  }
}
