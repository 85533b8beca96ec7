import { createCipheriv, createDecipheriv } from 'node:crypto';
import type { Ticket, TicketRequest } from '../contract.ts';
import { refuse } from '../kit/refusal.ts';

export interface TicketGrant extends TicketRequest {
  /** Resume secret of the member who asked for itself: the ticket's leg joins that member. */
  readonly secret?: string;
}

export interface TicketsOptions {
  /** `n` random bytes. */
  readonly random: (n: number) => Buffer;
  /** The key (32 bytes) that all processes share, which may change when the store was lost. Absent: one of its own. */
  readonly key?: () => Promise<Buffer>;
  readonly lifeMs?: number;
  readonly max?: number;
  readonly maxPerUser?: number;
}

const PREFIX = 'tk_';
/** Whether a credential is a ticket: tells it from a token, a PIN and a resume secret without opening it. */
export const isTicket = (credential: string): boolean => credential.startsWith(PREFIX);

const CIPHER = 'aes-256-gcm';
const PURPOSE = Buffer.from('roombridge ticket 1');
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const NONCE_CHARS = (NONCE_BYTES * 4) / 3;
/** A room and a user of 128 characters each fit. */
const MAX_CHARS = 2048;
/** The key of now, and the one before: a ticket lives minutes. */
const MAX_KEYS = 2;

/** What is its own of a ticket, and may be told: its nonce. */
export const idOfTicket = (token: string): string => token.slice(0, PREFIX.length + NONCE_CHARS);

interface Claims extends TicketGrant {
  /** Unix ms. */
  readonly expiresAt: number;
}

/** A ticket that has expired is good for this long more for coming back to where its member still is, ms. */
const RETURN_MS = 24 * 3_600_000;

/**
 * Short-lived permits for one user, room, protocol and role. What they permit is sealed inside, so that every process of
 * the system can read them, and they outlive the one that issued them; nobody else can read or make one.
 * Good any number of times until they expire, because a player that lost its connection dials the same URL again.
 * All times are Unix ms, given by the caller.
 */
export class Tickets {
  /** Newest first. */
  #keys: readonly Buffer[];
  /** Those that live and were issued here, in order of expiry: ticket → owner and expiry. */
  readonly #out = new Map<string, { readonly owner: string; readonly expiresAt: number }>();
  readonly #perUser = new Map<string, number>();
  /** Issued here and used nowhere, as far as was heard: ticket → until when that matters. */
  readonly #unused = new Map<string, number>();
  readonly #random: (n: number) => Buffer;
  readonly #key: (() => Promise<Buffer>) | undefined;
  readonly #lifeMs: number;
  readonly #max: number;
  readonly #maxPerUser: number;

  constructor(options: TicketsOptions) {
    this.#random = options.random;
    this.#key = options.key;
    this.#keys = options.key === undefined ? [options.random(32)] : [];
    this.#lifeMs = options.lifeMs ?? 300_000;
    this.#max = options.max ?? 100_000;
    this.#maxPerUser = options.maxPerUser ?? 100;
  }

  /** Issued here and alive. */
  get size(): number {
    return this.#out.size;
  }

  /** Before tickets are issued or read: the shared key is known. */
  async ready(): Promise<void> {
    const key = await this.#key?.();
    if (key !== undefined && !this.#keys[0]?.equals(key))
      this.#keys = [key, ...this.#keys].slice(0, MAX_KEYS);
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
    if (this.#out.size >= this.#max)
      throw refuse('server', 'too-many-tickets', 'Too many tickets are out; try again in a minute.');
    const expiresAt = now + this.#lifeMs;
    const token = this.#seal({ ...grant, expiresAt });
    const id = idOfTicket(token);
    this.#out.set(id, { owner, expiresAt });
    this.#perUser.set(owner, (this.#perUser.get(owner) ?? 0) + 1);
    if (this.#unused.size >= this.#max) this.#unused.delete(this.#unused.keys().next().value as string);
    this.#unused.set(id, expiresAt + RETURN_MS);
    return { token, expiresAt };
  }

  /** Somebody came in with the ticket of this id, here or elsewhere. */
  used(id: string): void {
    this.#unused.delete(id);
  }

  /** What a ticket permits; undefined when it is none, or no more. */
  find(token: string, now: number): TicketGrant | undefined {
    this.#sweep(now);
    const claims = this.#open(token);
    return claims !== undefined && claims.expiresAt > now ? grantOf(claims) : undefined;
  }

  /**
   * What a ticket that has expired permitted: its member may have been in the room for hours, lost its connection just now
   * and know no other. Good only for a member who still has its seat, and not when it is known that nobody came in with it.
   */
  returning(token: string, now: number): TicketGrant | undefined {
    for (const [id, until] of this.#unused) {
      if (until > now) break;
      this.#unused.delete(id);
    }
    const claims = this.#open(token);
    if (claims === undefined || claims.expiresAt + RETURN_MS <= now) return undefined;
    return this.#unused.has(idOfTicket(token)) ? undefined : grantOf(claims);
  }

  /** Base64url of nonce, sealed JSON and tag. */
  #seal(claims: Claims): string {
    const nonce = this.#random(NONCE_BYTES);
    const cipher = createCipheriv(CIPHER, this.#keys[0] as Buffer, nonce).setAAD(PURPOSE);
    const sealed = [nonce, cipher.update(JSON.stringify(claims)), cipher.final(), cipher.getAuthTag()];
    return PREFIX + Buffer.concat(sealed).toString('base64url');
  }

  #open(token: string): Claims | undefined {
    if (!isTicket(token) || token.length > MAX_CHARS) return undefined;
    const text = token.slice(PREFIX.length);
    const bytes = Buffer.from(text, 'base64url');
    // One ticket has one spelling.
    if (bytes.length <= NONCE_BYTES + TAG_BYTES || bytes.toString('base64url') !== text) return undefined;
    for (const key of this.#keys)
      try {
        const decipher = createDecipheriv(CIPHER, key, bytes.subarray(0, NONCE_BYTES)).setAAD(PURPOSE);
        decipher.setAuthTag(bytes.subarray(-TAG_BYTES));
        const claims = [decipher.update(bytes.subarray(NONCE_BYTES, -TAG_BYTES)), decipher.final()];
        return JSON.parse(Buffer.concat(claims).toString()) as Claims;
      } catch {
        // sealed with the other key, or by somebody else
      }
    return undefined;
  }

  #sweep(now: number): void {
    for (const [id, { owner, expiresAt }] of this.#out) {
      if (expiresAt > now) return;
      this.#out.delete(id);
      const left = (this.#perUser.get(owner) ?? 1) - 1;
      if (left > 0) this.#perUser.set(owner, left);
      else this.#perUser.delete(owner);
    }
  }
}

const grantOf = ({ expiresAt: _, ...grant }: Claims): TicketGrant => grant;
const ownerOf = (grant: TicketGrant): string => JSON.stringify([grant.room, grant.user]);
