import type { Millis } from '../../kit/core.ts';
import { parseNumber } from './grammar.ts';
import { type Headers, lists, type SipRequest, type SipResponse } from './message.ts';
import type { Timer, TimerOwner, Timers } from './timers.ts';
import type { HeaderLine } from './write.ts';

/** RFC 4028 §4: "The absolute minimum for the Session-Expires header field is 90 seconds." */
export const LEAST_SESSION_S = 90;
/** A day: more is no use, and a number of a stranger stays a number a timer can count. */
const MOST_SESSION_S = 86_400;

export interface SessionLimits {
  /** What we ask for; 0: we ask for none, and take part where the peer does. */
  readonly expiresS: number;
  /** The least we take. */
  readonly minS: number;
}

interface SessionExpires {
  readonly s: number;
  readonly refresher: 'uac' | 'uas' | undefined;
}

/** `Session-Expires: 1800;refresher=uac`. Malformed is as good as absent. */
function sessionExpires(headers: Headers): SessionExpires | undefined {
  const m = /^(\d{1,10})\s*(?:;(.*))?$/.exec(headers.get('session-expires') ?? '');
  if (m === null) return undefined;
  const refresher = /(?:^|;)\s*refresher\s*=\s*(uac|uas)\s*(?:;|$)/i.exec(m[2] ?? '')?.[1]?.toLowerCase();
  return { s: Number(m[1]), refresher: refresher as SessionExpires['refresher'] };
}

const minSe = (headers: Headers): number =>
  parseNumber((headers.get('min-se') ?? '').split(';', 1)[0]!.trim(), MOST_SESSION_S) ?? LEAST_SESSION_S;

/** §9: "the UAS MAY reject the request with a 422 … if the interval … is smaller than the minimum": only one who knows of it. */
export const isTooShort = (r: SipRequest, minS: number): boolean => {
  const asked = sessionExpires(r.headers);
  return asked !== undefined && asked.s < minS && lists(r.headers, 'supported', 'timer');
};

/** What the called side settles (§9, table 2); undefined: the session has no timer. */
export function settle(
  r: SipRequest,
  own: SessionLimits,
): { readonly s: number; readonly refresher: 'uac' | 'uas' } | undefined {
  const asked = sessionExpires(r.headers);
  const knows = lists(r.headers, 'supported', 'timer');
  if (asked === undefined && (!knows || own.expiresS === 0)) return undefined;
  // "It MAY reduce the session interval, but MUST NOT set it to a duration lower than the value in the Min-SE header field";
  // "The UAS MUST NOT increase the value of the Session-Expires header field."
  const floor = Math.max(minSe(r.headers), own.minS);
  const wanted = Math.max(own.expiresS === 0 ? MOST_SESSION_S : own.expiresS, floor);
  const s = Math.max(LEAST_SESSION_S, Math.min(wanted, asked?.s ?? wanted));
  // Table 2: a caller that does not know of timers leaves it to us; a refresher it names is kept.
  const refresher = !knows ? 'uas' : (asked?.refresher ?? (asked === undefined ? 'uas' : 'uac'));
  return { s, refresher };
}

/** What its call does at the two moments. */
export interface SessionTimerUser {
  /** It is time to send a re-INVITE or UPDATE. */
  refresh(): void;
  /** Nobody refreshed in time. */
  expired(intervalS: number): void;
}

/** Whether the peer is still there, asked every so often: RFC 4028. One timer at a time, whichever side refreshes. */
export class SessionTimer implements TimerOwner {
  readonly #timers: Timers;
  readonly #limits: SessionLimits;
  readonly #user: SessionTimerUser;
  /** 0: this session has none. */
  #intervalS = 0;
  #weRefresh = false;
  /** The largest Min-SE of a 422: §7.3, kept for the whole dialog. */
  #minS = 0;
  #endsAt: Millis = 0;
  #timer: Timer | undefined;

  constructor(timers: Timers, limits: SessionLimits, user: SessionTimerUser) {
    this.#timers = timers;
    this.#limits = limits;
    this.#user = user;
  }

  get intervalS(): number {
    return this.#intervalS;
  }

  /** Headers of an INVITE or UPDATE of ours: §7.1; §7.4 keeps the refresher as it is. */
  asks(): HeaderLine[] {
    const s = this.#intervalS || this.#limits.expiresS;
    if (s === 0) return [];
    const refresher = this.#intervalS === 0 ? '' : `;refresher=${this.#weRefresh ? 'uac' : 'uas'}`;
    const headers: HeaderLine[] = [['Session-Expires', `${Math.max(s, this.#minS)}${refresher}`]];
    if (this.#minS > 0) headers.push(['Min-SE', String(this.#minS)]);
    return headers;
  }

  /** Headers of our 2xx to `r`; the time runs from now. */
  answers(r: SipRequest, now: Millis): HeaderLine[] {
    const settled = settle(r, this.#limits);
    if (settled === undefined) {
      this.stop();
      return [];
    }
    this.#begin(settled.s, settled.refresher === 'uas', now);
    const headers: HeaderLine[] = [['Session-Expires', `${settled.s};refresher=${settled.refresher}`]];
    // §9: "If the refresher parameter in the Session-Expires … has a value of 'uac', the UAS MUST place a Require … 'timer'".
    if (settled.refresher === 'uac') headers.push(['Require', 'timer']);
    return headers;
  }

  /** A 2xx to ours: §7.2. Without Session-Expires the session has no timer. */
  agreed(r: SipResponse, now: Millis): void {
    const agreed = sessionExpires(r.headers);
    if (agreed === undefined) return this.stop();
    const s = Math.min(Math.max(agreed.s, LEAST_SESSION_S), MOST_SESSION_S);
    this.#begin(s, agreed.refresher !== 'uas', now);
  }

  /** §7.3: a 422 says how long it must be at least; true: ask again. */
  raised(r: SipResponse): boolean {
    const least = minSe(r.headers);
    const current = Math.max(this.#minS, this.#intervalS || this.#limits.expiresS);
    if (least <= current) return false;
    this.#minS = least;
    return true;
  }

  timer(name: string, now: Millis): void {
    this.#timer = undefined;
    if (name === 'expire') {
      const s = this.#intervalS;
      this.#intervalS = 0;
      return this.#user.expired(s);
    }
    this.#again(now);
    this.#user.refresh();
  }

  /** Idempotent. */
  stop(): void {
    this.#timers.stop(this.#timer);
    this.#timer = undefined;
    this.#intervalS = 0;
  }

  #begin(s: number, weRefresh: boolean, now: Millis): void {
    this.#timers.stop(this.#timer);
    this.#intervalS = s;
    this.#weRefresh = weRefresh;
    this.#endsAt = now + s * 1000;
    // §10: "It is RECOMMENDED that this refresh be sent once half the session interval has elapsed"; the other side "SHOULD send
    // a BYE … before the session expiration … the minimum of 32 seconds and one third of the session interval".
    if (weRefresh) this.#timer = this.#timers.start(this, 'refresh', now + s * 500);
    else {
      const early = Math.min(32_000, (s * 1000) / 3);
      this.#timer = this.#timers.start(this, 'expire', this.#endsAt - early);
    }
  }

  /** A refresh may fail for a passing reason: one more try half-way through what is left, then the end. */
  #again(now: Millis): void {
    const left = this.#endsAt - now;
    const more = left > (this.#intervalS * 1000) / 3;
    this.#timer = this.#timers.start(this, more ? 'refresh' : 'expire', more ? now + left / 2 : this.#endsAt);
  }
}
