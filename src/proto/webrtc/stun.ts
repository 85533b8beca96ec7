import { createHmac } from 'node:crypto';
import { ipBytes } from '../../kit/ip.ts';
import { crc32 } from './crc32.ts';

/**
 * STUN as an ICE-lite agent needs it: reads Binding requests, answers them. RFC 8489, RFC 8445 §7.
 * ```
 *  0                   1                   2                   3
 *  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 * |0 0|  message type (14 bits)   |   length without this header  |
 * |                magic cookie 0x2112A442                        |
 * |                transaction id (96 bits)                       |
 * |  attribute type               |  length                       |  value, padded to 4 bytes …
 * ```
 */
const HEADER = 20;
const COOKIE = 0x2112a442;
export const BINDING_REQUEST = 0x0001;
const BINDING_SUCCESS = 0x0101;
const BINDING_ERROR = 0x0111;

const USERNAME = 0x0006;
const MESSAGE_INTEGRITY = 0x0008;
const ERROR_CODE = 0x0009;
const UNKNOWN_ATTRIBUTES = 0x000a;
const XOR_MAPPED_ADDRESS = 0x0020;
const PRIORITY = 0x0024;
const USE_CANDIDATE = 0x0025;
const FINGERPRINT = 0x8028;
const ICE_CONTROLLED = 0x8029;
/** Attributes below 0x8000 that are understood; others of that range refuse the request (RFC 8489 §5). */
const UNDERSTOOD: ReadonlySet<number> = new Set([USERNAME, MESSAGE_INTEGRITY, PRIORITY, USE_CANDIDATE]);
/** The legacy checksum value, RFC 8489 §14.7. */
const FINGERPRINT_XOR = 0x5354554e;

export interface StunMessage {
  readonly type: number;
  /** Empty when absent. */
  readonly username: string;
  readonly useCandidate: boolean;
  /** The peer believes that we control: it must not, we are lite. */
  readonly controlled: boolean;
  /** Comprehension-required attributes we do not know. */
  readonly unknown: readonly number[];
  /** Offset of MESSAGE-INTEGRITY, 0 when absent. */
  readonly integrityAt: number;
  readonly bytes: Buffer;
}

/** RFC 7983 §7: the first byte of STUN on a shared port is 0..3. */
export const isStun = (b: Uint8Array): boolean => b.length >= HEADER && b[0]! < 4;

/** Reads a message and its FINGERPRINT; what is not well-formed is junk with a reason. Never throws. */
export function readStun(bytes: Buffer): StunMessage | 'short' | 'header' | 'attribute' | 'fingerprint' {
  const n = bytes.length;
  if (n < HEADER) return 'short';
  if (bytes[0]! > 3 || bytes.readUInt32BE(4) !== COOKIE || bytes.readUInt16BE(2) + HEADER !== n)
    return 'header';
  let username = '';
  let useCandidate = false;
  let controlled = false;
  let integrityAt = 0;
  let fingerprintAt = 0;
  const unknown: number[] = [];
  for (let at = HEADER; at < n; ) {
    if (at + 4 > n) return 'attribute';
    const type = bytes.readUInt16BE(at);
    const length = bytes.readUInt16BE(at + 2);
    const next = at + 4 + ((length + 3) & ~3);
    if (next > n || fingerprintAt !== 0) return 'attribute'; // FINGERPRINT is the last, RFC 8489 §14.7
    if (type === FINGERPRINT) {
      if (length !== 4) return 'attribute';
      fingerprintAt = at;
    } else if (integrityAt !== 0) {
      // RFC 8489 §14.5: whatever follows MESSAGE-INTEGRITY is not covered by it and is ignored.
    } else if (type === MESSAGE_INTEGRITY) {
      if (length !== 20) return 'attribute';
      integrityAt = at;
    } else if (type === USERNAME) username = bytes.toString('utf8', at + 4, at + 4 + length);
    else if (type === USE_CANDIDATE) useCandidate = true;
    else if (type === ICE_CONTROLLED) controlled = true;
    else if (type < 0x8000 && !UNDERSTOOD.has(type) && unknown.length < 16) unknown.push(type);
    at = next;
  }
  // RFC 8445 §7.1: every check carries FINGERPRINT.
  if (fingerprintAt === 0 || fingerprint(bytes, fingerprintAt) !== bytes.readUInt32BE(fingerprintAt + 4))
    return 'fingerprint';
  return { type: bytes.readUInt16BE(0), username, useCandidate, controlled, unknown, integrityAt, bytes };
}

/** RFC 8489 §9.1: HMAC-SHA1 under the password, over all before MESSAGE-INTEGRITY with the length as if it ended there. */
export function integrityHolds(m: StunMessage, password: string): boolean {
  if (m.integrityAt === 0) return false;
  const covered = Buffer.from(m.bytes.subarray(0, m.integrityAt));
  covered.writeUInt16BE(m.integrityAt + 24 - HEADER, 2);
  const tag = createHmac('sha1', password).update(covered).digest();
  let difference = 0;
  for (let i = 0; i < 20; i++) difference |= tag[i]! ^ m.bytes[m.integrityAt + 4 + i]!;
  return difference === 0;
}

/** The success response: who we saw (XOR-MAPPED-ADDRESS), signed. Undefined when `address` is no IP address. */
export function bindingSuccess(
  request: StunMessage,
  password: string,
  address: string,
  port: number,
): Buffer | undefined {
  const ip = ipBytes(address);
  if (ip === undefined) return undefined;
  const value = Buffer.alloc(4 + ip.length);
  value[1] = ip.length === 4 ? 1 : 2;
  value.writeUInt16BE(port ^ (COOKIE >>> 16), 2);
  // RFC 8489 §14.2: XOR with the cookie and, for IPv6, the transaction id behind it.
  for (let i = 0; i < ip.length; i++) value[4 + i] = ip[i]! ^ request.bytes[4 + i]!;
  return signed(BINDING_SUCCESS, request, password, attribute(XOR_MAPPED_ADDRESS, value));
}

/** 420 with the attributes we do not know, or 487: the peer must take the controlling role (RFC 8445 §7.3.1.1). */
export function bindingError(request: StunMessage, password: string, code: 420 | 487): Buffer {
  const phrase = code === 420 ? 'Unknown Attribute' : 'Role Conflict';
  const value = Buffer.concat([Buffer.from([0, 0, 4, code - 400]), Buffer.from(phrase, 'latin1')]);
  const attributes = [attribute(ERROR_CODE, value)];
  if (code === 420) {
    const list = Buffer.alloc(request.unknown.length * 2);
    for (const [i, type] of request.unknown.entries()) list.writeUInt16BE(type, i * 2);
    attributes.push(attribute(UNKNOWN_ATTRIBUTES, list));
  }
  return signed(BINDING_ERROR, request, password, ...attributes);
}

function attribute(type: number, value: Uint8Array): Buffer {
  const out = Buffer.alloc(4 + ((value.length + 3) & ~3));
  out.writeUInt16BE(type, 0);
  out.writeUInt16BE(value.length, 2);
  out.set(value, 4);
  return out;
}

function signed(type: number, request: StunMessage, password: string, ...attributes: Buffer[]): Buffer {
  const header = Buffer.from(request.bytes.subarray(0, HEADER)); // keeps cookie and transaction id
  header.writeUInt16BE(type, 0);
  const body = Buffer.concat([header, ...attributes]);
  body.writeUInt16BE(body.length + 24 - HEADER, 2);
  const integrity = attribute(MESSAGE_INTEGRITY, createHmac('sha1', password).update(body).digest());
  const out = Buffer.concat([body, integrity, attribute(FINGERPRINT, Buffer.alloc(4))]);
  out.writeUInt16BE(out.length - HEADER, 2);
  out.writeUInt32BE(fingerprint(out, out.length - 8), out.length - 4);
  return out;
}

const fingerprint = (bytes: Buffer, at: number): number =>
  (crc32(bytes.subarray(0, at)) ^ FINGERPRINT_XOR) >>> 0;
