import { createCipheriv, createDecipheriv, hkdfSync } from 'node:crypto';
import { readRtcp, writeRtcp } from '../../rtp/rtcp.ts';
import { SECRET_BYTES } from '../keys.ts';
import { CONNECTION_BYTES, SHORT_TRAILER_BYTES, writeTrailer } from '../trailer.ts';
import { APP_NAME, SUBTYPE } from './app.ts';
import { MAX_TICKET_BYTES, type Ticket } from './ticket.ts';

/**
 * RESUME: the ticket in the clear (it is sealed for the agents), and proof of the session secret inside it. The answer
 * brings another nonce. The resumed session has a new secret, of the old one and both nonces: it never continues
 * counters under old keys, and a RESUME that somebody repeats leads to keys that only the member can make.
 * ```
 * RESUME      |V=2|P=0| subtype 3 | 204 | length | SSRC 0 | 'aRTP' | ticket bytes (2) | sealed bytes (2) | ticket | sealed …
 *             sealed under HKDF(secret, 'resume client'): connection of the client (8), nonce (32)
 * RESUME_ACK  |V=2|P=0| subtype 4 | 204 | length | SSRC 0 | 'aRTP' | 0 | sealed bytes (2) | sealed …
 *             sealed under HKDF(secret, 'resume server'): the client's nonce (32), the server's (32),
 *             connection of the server (8), bytes (2) and the next ticket
 * sealed:     | nonce (12) | AES-256-GCM | tag (16) |
 * ```
 * On UDP both end with a short trailer, as everything does. The session begins when a packet under the new keys opens:
 * only then does the agent take the seat. The answer is at most three times as long as the question.
 */
export interface ResumeCall {
  /** A whole datagram, to be sent until it is answered. */
  readonly datagram: Buffer;
  readonly secret: Uint8Array;
  readonly connection: Uint8Array;
  readonly nonce: Buffer;
}

export interface Resumed {
  /** Of the new session. */
  readonly secret: Buffer;
  /** The other side's connection id. */
  readonly theirs: Buffer;
  /** For the next time; empty: none. */
  readonly ticket: Buffer;
}

const NONCE_BYTES = 32;
const IV_BYTES = 12;
const TAG_BYTES = 16;
const HEAD_BYTES = 12;
type Random = (bytes: number) => Buffer;

/** The client's side. `connection`: its id in the session to be, a fresh one. */
export function callResume(
  o: { readonly ticket: Uint8Array; readonly secret: Uint8Array; readonly connection: Uint8Array },
  random: Random,
): ResumeCall {
  const nonce = random(NONCE_BYTES);
  const plain = Buffer.concat([o.connection, nonce]);
  const sealed = seal(o.secret, 'resume client', plain, random);
  const data = Buffer.concat([counts(o.ticket.length, sealed.length), o.ticket, sealed]);
  const datagram = withTrailer(data, SUBTYPE.resume);
  return { datagram, secret: o.secret, connection: o.connection, nonce };
}

export interface ResumeAsked {
  readonly ticket: Ticket;
  /** The client's connection id, for the new session. */
  readonly theirs: Buffer;
  readonly nonce: Buffer;
}

/** The packet is a RESUME or RESUME_ACK; `bytes` may be the whole datagram. */
export const isResume = (bytes: Uint8Array): boolean =>
  bytes.length > HEAD_BYTES && bytes[1] === 204 && bytes[0] === (0x80 | SUBTYPE.resume);
export const isResumeAck = (bytes: Uint8Array): boolean =>
  bytes.length > HEAD_BYTES && bytes[1] === 204 && bytes[0] === (0x80 | SUBTYPE.resumeAck);

/** The server's side. Without trailer. Undefined: no ticket of ours, or whoever shows it does not know its secret. */
export function readResume(
  packet: Uint8Array,
  open: (ticket: Uint8Array) => Ticket | undefined,
): ResumeAsked | undefined {
  const data = dataOf(packet, SUBTYPE.resume);
  if (data === undefined || data.length < 4) return undefined;
  const [ticketBytes, sealedBytes] = [data.readUInt16BE(0), data.readUInt16BE(2)];
  if (ticketBytes > MAX_TICKET_BYTES || 4 + ticketBytes + sealedBytes > data.length) return undefined;
  const ticket = open(data.subarray(4, 4 + ticketBytes));
  if (ticket === undefined) return undefined;
  const sealed = data.subarray(4 + ticketBytes, 4 + ticketBytes + sealedBytes);
  const plain = unseal(ticket.secret, 'resume client', sealed);
  if (plain?.length !== CONNECTION_BYTES + NONCE_BYTES) return undefined;
  return { ticket, theirs: plain.subarray(0, CONNECTION_BYTES), nonce: plain.subarray(CONNECTION_BYTES) };
}

/**
 * The answer, and the secret it stands for. Answer a repeated RESUME (same nonce) with the same datagram: each call
 * here makes another secret.
 */
export function answerResume(
  asked: ResumeAsked,
  o: { readonly connection: Uint8Array; readonly ticket: Uint8Array },
  random: Random,
): { readonly datagram: Buffer; readonly secret: Buffer } {
  const nonce = random(NONCE_BYTES);
  const length = Buffer.of(o.ticket.length >> 8, o.ticket.length & 255);
  const plain = Buffer.concat([asked.nonce, nonce, o.connection, length, o.ticket]);
  const sealed = seal(asked.ticket.secret, 'resume server', plain, random);
  const data = Buffer.concat([counts(0, sealed.length), sealed]);
  return {
    datagram: withTrailer(data, SUBTYPE.resumeAck),
    secret: renewed(asked.ticket.secret, asked.nonce, nonce),
  };
}

/** The client's side again. Undefined: not an answer to this call. */
export function readResumeAck(packet: Uint8Array, call: ResumeCall): Resumed | undefined {
  const data = dataOf(packet, SUBTYPE.resumeAck);
  if (data === undefined || data.length < 4 || 4 + data.readUInt16BE(2) > data.length) return undefined;
  const plain = unseal(call.secret, 'resume server', data.subarray(4, 4 + data.readUInt16BE(2)));
  const ticketAt = 2 * NONCE_BYTES + CONNECTION_BYTES + 2;
  if (plain === undefined || plain.length < ticketAt || !plain.subarray(0, NONCE_BYTES).equals(call.nonce))
    return undefined;
  if (ticketAt + plain.readUInt16BE(ticketAt - 2) !== plain.length) return undefined;
  return {
    secret: renewed(call.secret, call.nonce, plain.subarray(NONCE_BYTES, 2 * NONCE_BYTES)),
    theirs: plain.subarray(2 * NONCE_BYTES, ticketAt - 2),
    ticket: plain.subarray(ticketAt),
  };
}

const renewed = (secret: Uint8Array, client: Uint8Array, server: Uint8Array): Buffer =>
  Buffer.from(
    hkdfSync('sha256', secret, Buffer.concat([client, server]), 'roombridge artp 1 resumed', SECRET_BYTES),
  );

const keyOf = (secret: Uint8Array, what: string): Uint8Array =>
  new Uint8Array(hkdfSync('sha256', secret, Buffer.alloc(0), `roombridge artp 1 ${what}`, 32));

function seal(secret: Uint8Array, what: string, plain: Uint8Array, random: Random): Buffer {
  const iv = random(IV_BYTES);
  const cipher = createCipheriv('aes-256-gcm', keyOf(secret, what), iv);
  return Buffer.concat([iv, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
}

function unseal(secret: Uint8Array, what: string, sealed: Buffer): Buffer | undefined {
  const end = sealed.length - TAG_BYTES;
  if (end < IV_BYTES) return undefined;
  const decipher = createDecipheriv('aes-256-gcm', keyOf(secret, what), sealed.subarray(0, IV_BYTES));
  decipher.setAuthTag(sealed.subarray(end));
  try {
    return Buffer.concat([decipher.update(sealed.subarray(IV_BYTES, end)), decipher.final()]);
  } catch {
    return undefined;
  }
}

function counts(a: number, b: number): Buffer {
  const out = Buffer.alloc(4);
  out.writeUInt16BE(a, 0);
  out.writeUInt16BE(b, 2);
  return out;
}

function withTrailer(data: Uint8Array, subtype: number): Buffer {
  const packet = writeRtcp([{ type: 'app', ssrc: 0, subtype, name: APP_NAME, data }]);
  const out = Buffer.alloc(packet.length + SHORT_TRAILER_BYTES);
  packet.copy(out);
  writeTrailer(out, packet.length, undefined, 0, 0, 0);
  return out;
}

function dataOf(packet: Uint8Array, subtype: number): Buffer | undefined {
  const read = readRtcp(packet);
  const app = typeof read === 'string' ? undefined : read[0];
  if (app?.type !== 'app' || app.name !== APP_NAME || app.subtype !== subtype) return undefined;
  return Buffer.from(app.data.buffer, app.data.byteOffset, app.data.length);
}
