import { createHmac, timingSafeEqual } from 'node:crypto';
import type { Millis } from '../../kit/core.ts';
import { readFragments } from './reassembly.ts';
import { plainRecord, readRecords } from './record.ts';
import { CONTENT, handshakeMessage, MESSAGE, uint, vector } from './wire.ts';

/** A cookie is good in the period it was made in, and in the next. */
const PERIOD_MS = 30_000;
const COOKIE_BYTES = 16;
const RANDOM_AT = 2;
const SESSION_AT = RANDOM_AT + 32;
/** RFC 6347 §4.2.1: whatever version is spoken later. */
const DTLS_1_0 = 0xfeff;

export type Knock =
  /** To be sent back: a HelloVerifyRequest, shorter than the hello. */
  | { readonly type: 'ask'; readonly bytes: Buffer }
  /** The hello repeats our cookie: its sender is where it says. A `DtlsServer` with `afterCookie` may take it. */
  | { readonly type: 'proven' }
  | { readonly type: 'junk' };

/**
 * Stands before a DTLS server that anybody reaches: nothing is kept of a hello, and nothing sent but a few bytes, until
 * its address has proved itself (RFC 6347 §4.2.1).
 * ```
 * cookie = HMAC-SHA256(key, period | address | ClientHello.random), 16 bytes
 * ```
 */
export class CookieDoor {
  readonly #key: Uint8Array;

  /** `key`: 32 random bytes, never told. */
  constructor(key: Uint8Array) {
    this.#key = key;
  }

  /** `from`: address and port as text. A hello in more than one fragment is junk: ours fit one datagram. */
  look(datagram: Buffer, from: string, now: Millis): Knock {
    const record = readRecords(datagram).next().value;
    if (typeof record !== 'object' || record.type !== CONTENT.handshake || record.epoch !== 0) return JUNK;
    const hello = readFragments(record.fragment).next().value;
    if (typeof hello !== 'object' || hello.type !== MESSAGE.clientHello) return JUNK;
    const { data } = hello;
    if (hello.offset !== 0 || data.length !== hello.length || data.length <= SESSION_AT) return JUNK;
    const cookieAt = SESSION_AT + 1 + data[SESSION_AT]!;
    const cookieBytes = data[cookieAt];
    if (cookieBytes === undefined) return JUNK;
    const shown = data.subarray(cookieAt + 1, cookieAt + 1 + cookieBytes);
    const random = data.subarray(RANDOM_AT, SESSION_AT);
    const period = Math.floor(now / PERIOD_MS);
    if (shown.length === COOKIE_BYTES)
      for (const p of [period, period - 1])
        if (timingSafeEqual(shown, this.#cookie(p, from, random))) return { type: 'proven' };
    const body = Buffer.concat([uint(2, DTLS_1_0), vector(1, this.#cookie(period, from, random))]);
    const message = handshakeMessage(MESSAGE.helloVerifyRequest, 0, body);
    return { type: 'ask', bytes: plainRecord(CONTENT.handshake, record.seq, message) };
  }

  #cookie(period: number, from: string, random: Uint8Array): Buffer {
    const hmac = createHmac('sha256', this.#key).update(`${period} ${from} `).update(random);
    return hmac.digest().subarray(0, COOKIE_BYTES);
  }
}

const JUNK: Knock = { type: 'junk' };
