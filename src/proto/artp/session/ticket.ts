import { createCipheriv, createDecipheriv } from 'node:crypto';
import { z } from 'zod';
import type { Json, Millis } from '../../../contract.ts';
import { SECRET_BYTES, SUITES, type Suite } from '../keys.ts';

/**
 * What lets a member come back to another agent: made by the agent that has the session, opened by any that shares the
 * key, opaque to the member and to everyone between.
 * ```
 * | version 1 (1) | nonce (12) | AES-256-GCM of JSON { secret, suite, expires, data } | tag (16) |
 * ```
 */
export interface Ticket {
  /** Of the session it resumes, 32 bytes. */
  readonly secret: Uint8Array;
  readonly suite: Suite;
  /** Unix time, ms: processes have no other clock in common. */
  readonly expiresUnixMs: number;
  /** Whose it is and what they had; the agents' own business. */
  readonly data: Json;
}

export const TICKET_MS: Millis = 120_000;
/** A ticket and what stands around it fit one datagram. */
export const MAX_TICKET_BYTES = 900;
const VERSION = 1;
const HEAD_BYTES = 13;
const TAG_BYTES = 16;

const SEALED = z.strictObject({
  secret: z
    .base64()
    .transform(s => Buffer.from(s, 'base64'))
    .refine(b => b.length === SECRET_BYTES),
  suite: z.enum(SUITES),
  expires: z.number().int(),
  data: z.json(),
});

/** `key`: 32 bytes the agents share. Throws RangeError when it is longer than MAX_TICKET_BYTES: too much `data`. */
export function sealTicket(t: Ticket, key: Uint8Array, random: (bytes: number) => Buffer): Buffer {
  const nonce = random(12);
  const cipher = createCipheriv('aes-256-gcm', key, nonce);
  const head = Buffer.concat([Buffer.of(VERSION), nonce]);
  cipher.setAAD(head);
  const secret = Buffer.from(t.secret).toString('base64');
  const plain = JSON.stringify({ secret, suite: t.suite, expires: t.expiresUnixMs, data: t.data });
  const sealed = Buffer.concat([head, cipher.update(plain, 'utf8'), cipher.final(), cipher.getAuthTag()]);
  if (sealed.length > MAX_TICKET_BYTES)
    throw new RangeError(`a ticket of ${sealed.length} bytes is longer than ${MAX_TICKET_BYTES}`);
  return sealed;
}

/** Undefined: not sealed under this key, or over. Never throws on what a stranger sends. */
export function openTicket(sealed: Uint8Array, key: Uint8Array, nowUnixMs: number): Ticket | undefined {
  if (sealed.length < HEAD_BYTES + TAG_BYTES || sealed.length > MAX_TICKET_BYTES || sealed[0] !== VERSION)
    return undefined;
  const end = sealed.length - TAG_BYTES;
  const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(1, HEAD_BYTES));
  decipher.setAAD(sealed.subarray(0, HEAD_BYTES));
  decipher.setAuthTag(sealed.subarray(end));
  let said: unknown;
  try {
    const plain = Buffer.concat([decipher.update(sealed.subarray(HEAD_BYTES, end)), decipher.final()]);
    said = JSON.parse(plain.toString('utf8'));
  } catch {
    return undefined;
  }
  const read = SEALED.safeParse(said);
  if (!read.success || read.data.expires <= nowUnixMs) return undefined;
  const { secret, suite, expires, data } = read.data;
  return { secret, suite, expiresUnixMs: expires, data };
}
