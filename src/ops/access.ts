import { createHash, timingSafeEqual } from 'node:crypto';
import type { LegRequest, Role, Who } from '../contract.ts';
import { RateLimit, RateLimits } from '../kit/limits.ts';
import { type Refusal, refuse } from '../kit/refusal.ts';
import { idOfTicket, isTicket, type TicketGrant, type Tickets } from './tickets.ts';
import { type App, digestPassword, EVERYTHING, type Fault, readDigestName, readToken } from './tokens.ts';

export interface AccessOptions {
  /** None: rooms are open to everyone. */
  readonly apps: readonly App[];
  readonly adminKey: string;
  readonly tickets: Tickets;
  /** Told of every credential that was refused, for the counter. */
  readonly onFault?: (where: string, fault: Fault | 'not-permitted' | 'admin') => void;
}

/** A caller whose credential was looked at; `proof` is what it is worth now. */
export interface Verified extends Who {
  readonly app?: string;
  readonly can: readonly string[];
}

/** Ten wrong credentials at once, then one in six seconds: more than a person mistypes, less than a guesser wants. */
const wrongTries = (): RateLimit => new RateLimit(1 / 6, 10);

/** Gateways that serve a ticket's protocol. */
const SERVED_BY: Readonly<Record<TicketGrant['protocol'], string>> = {
  rtmp: 'rtmp',
  whip: 'webrtc',
  whep: 'webrtc',
};

/** Decides who may come in, before any media resource is taken. Times are Unix ms. */
export class Access {
  readonly #apps: readonly App[];
  readonly #adminKey: string;
  readonly #tickets: Tickets;
  readonly #onFault: NonNullable<AccessOptions['onFault']>;
  readonly #wrongLegs = new RateLimits(wrongTries);
  readonly #wrongKeys = new RateLimits(wrongTries);
  readonly #lockedOut = new Map<string, number>();

  constructor(options: AccessOptions) {
    this.#apps = options.apps;
    this.#adminKey = options.adminKey;
    this.#tickets = options.tickets;
    this.#onFault = options.onFault ?? (() => {});
  }

  /** True when tokens are configured. */
  get required(): boolean {
    return this.#apps.length > 0;
  }

  /**
   * The caller with what the credential is worth. Expired, forged, other-room and other-user credentials are refused
   * in the same words, so that a guesser learns nothing; `onFault` has the difference.
   * A digest caller names its username (`exp:room:user`) as the credential: the front has checked the password.
   * A good credential is never throttled: a stranger who forges the address of a UDP caller locks nobody out.
   */
  async authorize(request: LegRequest, now: number): Promise<Verified> {
    const verdict = await this.#judge(request, now);
    if (typeof verdict !== 'string') {
      for (const role of request.roles) this.#permit(request, verdict, role);
      if (verdict.proof === 'ticket') this.#tickets.used(idOfTicket(request.who.credential ?? ''));
      return verdict;
    }
    this.#onFault(request.gateway, verdict);
    if (this.#wrongLegs.take(request.who.address ?? '', now)) throw notAuthorized(verdict);
    throw tooManyTries();
  }

  async #judge({ who, room, gateway, roles }: LegRequest, now: number): Promise<Verified | Fault> {
    const { credential } = who;
    if (credential !== undefined && isTicket(credential)) {
      const grant = this.#tickets.find(credential, now);
      if (grant !== undefined) return ticketHolder(grant, who, room, gateway, roles);
      const before = this.#tickets.returning(credential, now);
      const holder = before === undefined ? 'expired' : ticketHolder(before, who, room, gateway, roles);
      return typeof holder === 'string' ? holder : { ...holder, returning: true };
    }
    // Of a member that comes back its agents vouch, by a seal of their own: what it once proved may have expired.
    if (who.proof === 'trunk' || who.proof === 'resumed') return { ...who, can: EVERYTHING };
    if (!this.required) return { ...who, proof: 'claimed', can: EVERYTHING }; // a PIN or a resume secret: the room's
    if (credential === undefined) return 'missing';
    if (who.proof === 'digest') {
      const name = readDigestName(credential);
      if (name === undefined) return 'malformed';
      const fault = name.exp * 1000 <= now ? 'expired' : mismatch(name, who, room);
      return fault ?? { ...who, user: name.user, can: EVERYTHING };
    }
    const claims = await readToken(this.#apps, credential, now);
    if (typeof claims === 'string') return claims;
    const { app, user, can } = claims;
    return mismatch(claims, who, room) ?? { ...who, user, proof: 'token', app, can };
  }

  #permit(request: LegRequest, who: Verified, role: Role): void {
    const needed = role === 'send' ? 'publish' : role === 'receive' ? 'subscribe' : undefined;
    if (needed === undefined || who.can.includes(needed)) return;
    this.#onFault(request.gateway, 'not-permitted');
    throw refuse(
      'client',
      'not-permitted',
      `The token of ${who.user} does not permit to ${needed}; ask for one that has "${needed}" in \`can\`.`,
    );
  }

  /** Passwords to try for a SIP digest username, newest secret of each app first; undefined: nobody of ours. */
  digestPasswords(username: string, now: number): readonly string[] | undefined {
    const name = readDigestName(username);
    if (!this.required || name === undefined || name.exp * 1000 <= now) return undefined;
    return this.#apps.flatMap(a => a.secrets.map(s => digestPassword(s, username)));
  }

  /** Checks the HTTP API's bearer key. Throws a Refusal; wrong keys lock their address out for a while. */
  admin(authorization: string | undefined, address: string, now: number): void {
    if ((this.#lockedOut.get(address) ?? 0) > now) throw tooManyTries();
    this.#lockedOut.delete(address);
    const key = /^Bearer +(\S{1,1024})$/i.exec(authorization ?? '')?.[1];
    if (key !== undefined && sameSecret(key, this.#adminKey)) return;
    if (key !== undefined) {
      this.#onFault('api', 'admin');
      if (!this.#wrongKeys.take(address, now)) this.#lockOut(address, now + 6000);
    }
    throw refuse(
      'client',
      'not-authorized',
      'The API needs the header `Authorization: Bearer <admin key>`; Roombridge says at its start where the key is.',
    );
  }

  #lockOut(address: string, until: number): void {
    if (this.#lockedOut.size >= 10_000) this.#lockedOut.delete(this.#lockedOut.keys().next().value as string);
    this.#lockedOut.set(address, until);
  }
}

/** An absent user takes the token's: a bearer token is enough to say who one is. */
function mismatch(
  claims: { room: string; user: string },
  who: Who,
  room: string,
): 'other-room' | 'other-user' | undefined {
  if (claims.room !== room) return 'other-room';
  return who.user !== '' && who.user !== claims.user ? 'other-user' : undefined;
}

function ticketHolder(
  grant: TicketGrant,
  who: Who,
  room: string,
  gateway: string,
  roles: readonly Role[],
): Verified | Fault {
  if (SERVED_BY[grant.protocol] !== gateway) return 'other-protocol';
  if (roles.includes(grant.role === 'publish' ? 'receive' : 'send')) return 'other-protocol';
  const { credential: _, ...rest } = who;
  return (
    mismatch(grant, who, room) ?? {
      ...rest,
      user: grant.user,
      proof: 'ticket',
      ...(grant.secret !== undefined && { credential: grant.secret }),
      can: [grant.role === 'publish' ? 'publish' : 'subscribe'],
    }
  );
}

/** Compares in a time that tells neither length nor content. */
export const sameSecret = (a: string, b: string): boolean => timingSafeEqual(digest(a), digest(b));
const digest = (text: string): Buffer => createHash('sha256').update(text).digest();

const notAuthorized = (fault: Fault): Refusal =>
  fault === 'missing'
    ? refuse(
        'client',
        'not-authorized',
        'A token is needed to join this room; ask the app that invites you for one.',
      )
    : refuse(
        'client',
        'not-authorized',
        'The token is not good for this room and user, or is too old; ask for a new one.',
      );

const tooManyTries = (): Refusal =>
  refuse(
    'client',
    'too-many-tries',
    'Too many wrong credentials from this address; wait a minute and try again.',
  );
