import type { Ticket, TicketRequest } from '../contract.ts';
import { refuse } from '../kit/refusal.ts';

export interface TicketGrant extends TicketRequest {
  /** Resume secret of the member who asked for itself: the ticket's leg joins that member. */
  readonly secret?: string;
}

export interface TicketsOptions {
  /** `n` random bytes. */
  readonly random: (n: number) => Buffer;
  readonly lifeMs?: number;
  readonly max?: number;
  readonly maxPerUser?: number;
}

const PREFIX = 'tk_';
/** Whether a credential is a ticket: tells it from a token, a PIN and a resume secret without looking it up. */
export const isTicket = (credential: string): boolean => credential.startsWith(PREFIX);

interface Kept {
  readonly grant: TicketGrant;
  readonly expiresAt: number;
}

/** A ticket that was used is good for this long for coming back to where its member still is, ms. */
const RETURN_MS = 24 * 3_600_000;

/**
 * Short-lived permits for one user, room, protocol and role: random 128-bit words that mean something here only.
 * Good any number of times until they expire, because a player that lost its connection dials the same URL again.
 * All times are Unix ms, given by the caller.
 */
export class Tickets {
  /** In order of expiry, because every ticket lives equally long (as far as the wall clock only goes forward). */
  readonly #kept = new Map<string, Kept>();
  /** Those that were used, in order of their first use. */
  readonly #used = new Map<string, Kept>();
  readonly #perUser = new Map<string, number>();
  readonly #random: (n: number) => Buffer;
  readonly #lifeMs: number;
  readonly #max: number;
  readonly #maxPerUser: number;

  constructor(options: TicketsOptions) {
    this.#random = options.random;
    this.#lifeMs = options.lifeMs ?? 300_000;
    this.#max = options.max ?? 100_000;
    this.#maxPerUser = options.maxPerUser ?? 100;
  }

  get size(): number {
    return this.#kept.size;
  }

  /** Throws a Refusal when too many are out. The caller adds the URL. */
  issue(grant: TicketGrant, now: number): Omit<Ticket, 'url'> {
    this.#sweep(now);
    const owner = ownerOf(grant);
    if ((this.#perUser.get(owner) ?? 0) >= this.#maxPerUser)
      throw refuse(
        'client',
        'too-many-tickets',
        `${grant.user} holds ${this.#maxPerUser} tickets for room ${grant.room} already; use one, or wait until they expire.`,
      );
    if (this.#kept.size >= this.#max)
      throw refuse('server', 'too-many-tickets', 'Too many tickets are out; try again in a minute.');
    const token = PREFIX + this.#random(16).toString('base64url');
    const expiresAt = now + this.#lifeMs;
    this.#kept.set(token, { grant, expiresAt });
    this.#perUser.set(owner, (this.#perUser.get(owner) ?? 0) + 1);
    return { token, expiresAt };
  }

  /** Somebody came in with it. */
  used(token: string, now: number): void {
    const grant = this.#kept.get(token)?.grant;
    if (grant === undefined || this.#used.has(token)) return;
    if (this.#used.size >= this.#max) this.#used.delete(this.#used.keys().next().value as string);
    this.#used.set(token, { grant, expiresAt: now + RETURN_MS });
  }

  /**
   * What a ticket that has expired permitted while it was used: its member may have been in the room for hours, lost its
   * connection just now and know no other. Good only for a member who still has its seat.
   */
  returning(token: string, now: number): TicketGrant | undefined {
    for (const [old, { expiresAt }] of this.#used) {
      if (expiresAt > now) break;
      this.#used.delete(old);
    }
    return this.#used.get(token)?.grant;
  }

  /** What a ticket permits; undefined when it never was or is no more. */
  find(token: string, now: number): TicketGrant | undefined {
    this.#sweep(now);
    const kept = this.#kept.get(token);
    return kept !== undefined && kept.expiresAt > now ? kept.grant : undefined;
  }

  #sweep(now: number): void {
    for (const [token, { grant, expiresAt }] of this.#kept) {
      if (expiresAt > now) return;
      this.#kept.delete(token);
      const left = (this.#perUser.get(ownerOf(grant)) ?? 1) - 1;
      if (left > 0) this.#perUser.set(ownerOf(grant), left);
      else this.#perUser.delete(ownerOf(grant));
    }
  }
}

const ownerOf = (grant: TicketGrant): string => JSON.stringify([grant.room, grant.user]);
