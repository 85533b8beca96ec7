import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import type { Millis } from '../../kit/core.ts';
import { split, unquote } from './grammar.ts';
import type { SipRequest, SipResponse } from './message.ts';
import { parseUri } from './uri.ts';
import type { HeaderLine } from './write.ts';

/** RFC 8760 §2: SHA-256 beside the MD5 of old phones. */
type DigestAlgorithm = 'SHA-256' | 'MD5';
const ALGORITHMS: readonly DigestAlgorithm[] = ['SHA-256', 'MD5'];
const MD5_ONLY = /^baresip v?[01]\./i;

const hash = (algorithm: DigestAlgorithm, text: string): string =>
  createHash(algorithm === 'MD5' ? 'md5' : 'sha256')
    .update(text, 'latin1')
    .digest('hex');

/** `Digest a="x", b=y` → its parameters; undefined for another scheme or a malformed line. */
export function parseDigest(value: string): ReadonlyMap<string, string> | undefined {
  const m = /^digest\s+/i.exec(value);
  const parts = m === null ? undefined : split(value.slice(m[0].length), ',');
  if (parts === undefined) return undefined;
  const all = new Map<string, string>();
  for (const part of parts) {
    const equals = part.indexOf('=');
    if (equals < 1) return undefined;
    all.set(part.slice(0, equals).trim().toLowerCase(), unquote(part.slice(equals + 1).trim()));
  }
  return all;
}

/** RFC 7616 §3.4.1 with qop=auth, or RFC 2069 without. All arguments are byte strings. */
function digestResponse(
  algorithm: DigestAlgorithm,
  who: { username: string; realm: string; password: string },
  what: { method: string; uri: string; nonce: string; qop?: string; nc?: string; cnonce?: string },
): string {
  const a1 = hash(algorithm, `${who.username}:${who.realm}:${who.password}`);
  const a2 = hash(algorithm, `${what.method}:${what.uri}`);
  return what.qop === undefined
    ? hash(algorithm, `${a1}:${what.nonce}:${a2}`)
    : hash(algorithm, `${a1}:${what.nonce}:${what.nc}:${what.cnonce}:${what.qop}:${a2}`);
}

export type DigestVerdict =
  | { readonly ok: true; readonly username: string }
  /** `stale`: the password was right, the nonce too old: challenge again, the phone repeats by itself. */
  | { readonly ok: false; readonly why: 'absent' | 'stale' | 'wrong' };

/** Nonces remembered at once: beyond it the oldest are forgotten, and only their replay within the lifetime gets by. */
const MAX_NONCES = 20_000;

/**
 * The server side. A nonce is the time and its HMAC under a key of this process: nothing is kept for a challenge. Of a
 * nonce that was answered rightly the count is kept while it lives (RFC 7616 §3.4: a count seen before is a replay).
 */
export class DigestServer {
  readonly #realm: string;
  readonly #key: Buffer;
  readonly #lifetimeMs: Millis;
  #issued = 0;
  /** Nonce → highest count seen, in the order of first use. */
  readonly #counts = new Map<string, number>();
  constructor(realm: string, key: Buffer, lifetimeMs: Millis = 60_000) {
    this.#realm = realm;
    this.#key = key;
    this.#lifetimeMs = lifetimeMs;
  }

  /** One WWW-Authenticate an algorithm, the better first (RFC 8760 §2.3). `userAgent`: who is asked. */
  challenge(now: Millis, stale = false, userAgent = ''): HeaderLine[] {
    const nonce = this.#nonce(Math.floor(now), this.#issued++);
    // Phones on old libre give up at any challenge they do not know, although RFC 8760 §2.4 has them pass over it.
    const algorithms = MD5_ONLY.test(userAgent) ? (['MD5'] as const) : ALGORITHMS;
    return algorithms.map(algorithm => [
      'WWW-Authenticate',
      `Digest realm="${this.#realm}", nonce="${nonce}", qop="auth", algorithm=${algorithm}${stale ? ', stale=true' : ''}`,
    ]);
  }

  /** Checks the Authorization of our realm. `passwords`: those to try for a username. Comparison in constant time. */
  verify(
    request: SipRequest,
    now: Millis,
    passwords: (username: string) => readonly string[] | undefined,
  ): DigestVerdict {
    const { names, values } = request.headers;
    for (let i = 0; i < names.length; i++) {
      if (names[i] !== 'authorization') continue;
      const given = parseDigest(values[i] as string);
      if (given?.get('realm') === this.#realm) return this.#check(request, given, now, passwords);
    }
    return { ok: false, why: 'absent' };
  }

  #check(
    request: SipRequest,
    given: ReadonlyMap<string, string>,
    now: Millis,
    passwords: (username: string) => readonly string[] | undefined,
  ): DigestVerdict {
    const wrong: DigestVerdict = { ok: false, why: 'wrong' };
    const field = (name: string): string => given.get(name) ?? '';
    const algorithm = ALGORITHMS.find(a => a === (given.get('algorithm') ?? 'MD5').toUpperCase());
    const issued = this.#issuedAt(field('nonce'));
    if (algorithm === undefined || field('qop') !== 'auth' || issued === undefined) return wrong;
    if (!/^[0-9a-f]{8}$/i.test(field('nc')) || field('cnonce') === '') return wrong;
    // RFC 3261 §22.4(7) lets hosts differ (proxies rewrite them); the user part is the room, so that must be the one asked for.
    if (parseUri(field('uri'))?.user !== request.uri.user) return wrong;
    const what = {
      method: request.method,
      uri: field('uri'),
      nonce: field('nonce'),
      qop: 'auth',
      nc: field('nc'),
      cnonce: field('cnonce'),
    };
    const username = field('username');
    const said = Buffer.from(field('response').toLowerCase(), 'latin1');
    for (const password of passwords(username) ?? []) {
      const right = Buffer.from(digestResponse(algorithm, { username, realm: this.#realm, password }, what));
      if (right.length !== said.length || !timingSafeEqual(right, said)) continue;
      const fresh =
        now - issued <= this.#lifetimeMs && this.#counted(what.nonce, Number.parseInt(what.nc, 16), now);
      return fresh ? { ok: true, username } : { ok: false, why: 'stale' };
    }
    return wrong;
  }

  /** False when this count, or a higher one, was used with the nonce before: somebody repeats what he overheard. */
  #counted(nonce: string, count: number, now: Millis): boolean {
    const before = this.#counts.get(nonce);
    if (before !== undefined && count <= before) return false;
    this.#counts.set(nonce, count);
    for (const [old] of this.#counts) {
      const at = this.#issuedAt(old);
      const dead = at === undefined || now - at > this.#lifetimeMs;
      if (!dead && this.#counts.size <= MAX_NONCES) break;
      this.#counts.delete(old);
    }
    return true;
  }

  /** `serial` tells apart what is issued within the same millisecond: each has a count of its own. */
  #nonce(at: number, serial: number): string {
    const stamp = `${at.toString(36)}-${serial.toString(36)}`;
    return `${stamp}.${createHmac('sha256', this.#key).update(stamp).digest('base64url').slice(0, 22)}`;
  }

  #issuedAt(nonce: string): Millis | undefined {
    const [at, serial] = nonce
      .split('.', 1)[0]!
      .split('-')
      .map(part => Number.parseInt(part, 36));
    if (!isCount(at) || !isCount(serial)) return undefined;
    const right = Buffer.from(this.#nonce(at, serial));
    const given = Buffer.from(nonce);
    return right.length === given.length && timingSafeEqual(right, given) ? at : undefined;
  }
}

const isCount = (n: number | undefined): n is number => Number.isSafeInteger(n) && (n as number) >= 0;

const escaped = (s: string): string => s.replace(/["\\]/g, '\\$&');

export interface Credentials {
  readonly username: string;
  readonly password: string;
}

/**
 * The client side: the header that answers a 401 or 407, or undefined when no challenge in it can be answered.
 * `count`: how often this challenge has been answered, this time included (RFC 7616 §3.4).
 */
export function answerChallenge(
  r: SipResponse,
  method: string,
  uri: string,
  who: Credentials,
  cnonce: string,
  count = 1,
): { readonly header: HeaderLine; readonly stale: boolean } | undefined {
  const name = r.status === 407 ? 'proxy-authenticate' : 'www-authenticate';
  const challenges = r.headers.values
    .filter((_, i) => r.headers.names[i] === name)
    .map(parseDigest)
    .filter(c => c !== undefined);
  // RFC 8760 §2.4: the first one that is understood.
  for (const c of challenges) {
    const algorithm = ALGORITHMS.find(a => a === (c.get('algorithm') ?? 'MD5').toUpperCase());
    const realm = c.get('realm');
    const nonce = c.get('nonce');
    const offered = c.get('qop')?.split(/\s*,\s*/);
    if (algorithm === undefined || realm === undefined || nonce === undefined) continue;
    if (offered !== undefined && !offered.includes('auth')) continue;
    const nc = count.toString(16).padStart(8, '0');
    const qop = offered === undefined ? {} : { qop: 'auth', nc, cnonce };
    const response = digestResponse(algorithm, { ...who, realm }, { method, uri, nonce, ...qop });
    let value = `Digest username="${escaped(who.username)}", realm="${escaped(realm)}", nonce="${escaped(nonce)}"`;
    value += `, uri="${uri}", response="${response}", algorithm=${algorithm}`;
    const opaque = c.get('opaque');
    if (opaque !== undefined) value += `, opaque="${escaped(opaque)}"`;
    if (offered !== undefined) value += `, qop=auth, nc=${nc}, cnonce="${cnonce}"`;
    const header: HeaderLine = [r.status === 407 ? 'Proxy-Authorization' : 'Authorization', value];
    return { header, stale: c.get('stale')?.toLowerCase() === 'true' };
  }
  return undefined;
}
