import { createHmac, timingSafeEqual } from 'node:crypto';
import { CONNECTION_BYTES } from '../trailer.ts';

/**
 * How a client makes itself known at a router. The first byte is none of RFC 7983 §7 (STUN, DTLS, TURN channels, RTP),
 * so it can share a socket with all of them. MAC: HMAC-SHA256 under the key of the relay ticket, cut to 16 bytes.
 * ```
 * BIND   | 0xF2 | version 1 | 0 (2) | nonce (8) | client id (8) | server id (8) | expiry, s (4) | cookie (16) | MAC (16) |   64
 * BOUND  | 0xF3 | version 1 | 0 bound, 1 show this cookie | 0 | nonce (8) | client id (8) | cookie (16) | keep, s (4) | MAC (16) |   56
 * ```
 * An answer is shorter than what it answers and goes where that came from: nothing is amplified. The cookie proves
 * that the client hears what goes to its address, so that a BIND that was seen cannot be used from another one.
 */
export const BIND = 0xf2;
export const BOUND = 0xf3;
const BIND_BYTES = 64;
const BOUND_BYTES = 56;
export const COOKIE_BYTES = 16;
export const NONCE_BYTES = 8;
const MAC_BYTES = 16;
const VERSION = 1;
const NO_COOKIE = Buffer.alloc(COOKIE_BYTES);

export interface BindMessage {
  readonly nonce: Uint8Array;
  readonly client: Uint8Array;
  readonly server: Uint8Array;
  /** Of the ticket, Unix s. */
  readonly expiresAt: number;
  /** All zero: none yet. */
  readonly cookie: Uint8Array;
}

export interface BoundMessage {
  readonly isBound: boolean;
  /** Of the BIND it answers. */
  readonly nonce: Uint8Array;
  readonly client: Uint8Array;
  readonly cookie: Uint8Array;
  /** How long the router keeps the binding without traffic, s. */
  readonly keepS: number;
}

export const hasCookie = (m: BindMessage): boolean => !NO_COOKIE.equals(m.cookie);

export function writeBind(
  m: Omit<BindMessage, 'cookie'> & { readonly cookie?: Uint8Array },
  key: Uint8Array,
): Buffer {
  const b = Buffer.alloc(BIND_BYTES);
  b[0] = BIND;
  b[1] = VERSION;
  b.set(m.nonce, 4);
  b.set(m.client, 12);
  b.set(m.server, 20);
  b.writeUInt32BE(m.expiresAt, 28);
  b.set(m.cookie ?? NO_COOKIE, 32);
  return sign(b, key);
}

/** Fields only: `isSigned` tells whether they are true. Undefined when it is no BIND. */
export function readBind(b: Buffer): BindMessage | undefined {
  if (b.length !== BIND_BYTES || b[0] !== BIND || b[1] !== VERSION) return undefined;
  return {
    nonce: b.subarray(4, 12),
    client: b.subarray(12, 12 + CONNECTION_BYTES),
    server: b.subarray(20, 20 + CONNECTION_BYTES),
    expiresAt: b.readUInt32BE(28),
    cookie: b.subarray(32, 48),
  };
}

export function writeBound(m: BoundMessage, key: Uint8Array): Buffer {
  const b = Buffer.alloc(BOUND_BYTES);
  b[0] = BOUND;
  b[1] = VERSION;
  b[2] = m.isBound ? 0 : 1;
  b.set(m.nonce, 4);
  b.set(m.client, 12);
  b.set(m.cookie, 20);
  b.writeUInt32BE(m.keepS, 36);
  return sign(b, key);
}

export function readBound(b: Buffer): BoundMessage | undefined {
  if (b.length !== BOUND_BYTES || b[0] !== BOUND || b[1] !== VERSION) return undefined;
  return {
    isBound: b[2] === 0,
    nonce: b.subarray(4, 12),
    client: b.subarray(12, 20),
    cookie: b.subarray(20, 36),
    keepS: b.readUInt32BE(36),
  };
}

/** The last 16 bytes are the MAC of all before. */
export function isSigned(b: Buffer, key: Uint8Array): boolean {
  return timingSafeEqual(mac(b, key), b.subarray(b.length - MAC_BYTES));
}

function sign(b: Buffer, key: Uint8Array): Buffer {
  b.set(mac(b, key), b.length - MAC_BYTES);
  return b;
}

const mac = (b: Buffer, key: Uint8Array): Buffer =>
  createHmac('sha256', key)
    .update(b.subarray(0, b.length - MAC_BYTES))
    .digest()
    .subarray(0, MAC_BYTES);
