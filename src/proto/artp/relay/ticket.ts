import { createHmac } from 'node:crypto';
import { CONNECTION_BYTES } from '../trailer.ts';

/** How long a relay ticket is good. A session that lives longer goes on without the router, or resumes. */
const RELAY_TICKET_MS = 24 * 60 * 60 * 1000;
const EXPIRY_BYTES = 4;
const KEY_BYTES = 32;
const ASK = 'roombridge artp relay ticket 1';

/** What lets a client have its datagrams relayed: to this server and back, until then. */
export interface RelayTicket {
  /** Unix s. */
  readonly expiresAt: number;
  /** Proves that the ticket is held; it never travels to a router, only what it signs. */
  readonly key: Buffer;
}

/** HMAC-SHA256 (RFC 2104) over who may talk to whom: routers compute it anew and keep nothing. */
export function ticketKey(
  shared: Uint8Array,
  client: Uint8Array,
  server: Uint8Array,
  expiresAt: number,
): Buffer {
  const expiry = Buffer.alloc(EXPIRY_BYTES);
  expiry.writeUInt32BE(expiresAt);
  return createHmac('sha256', shared)
    .update(ASK)
    .update(client.subarray(0, CONNECTION_BYTES))
    .update(server.subarray(0, CONNECTION_BYTES))
    .update(expiry)
    .digest();
}

/** For HELLO_ACK, which travels on TLS: it is a secret. `nowUnixMs` is the wall clock's. */
export function relayTicket(
  shared: Uint8Array,
  client: Uint8Array,
  server: Uint8Array,
  nowUnixMs: number,
): string {
  const expiresAt = Math.floor((nowUnixMs + RELAY_TICKET_MS) / 1000);
  const bytes = Buffer.alloc(EXPIRY_BYTES + KEY_BYTES);
  bytes.writeUInt32BE(expiresAt);
  bytes.set(ticketKey(shared, client, server, expiresAt), EXPIRY_BYTES);
  return bytes.toString('base64url');
}

/** Undefined when it is none. */
export function readRelayTicket(text: string): RelayTicket | undefined {
  const bytes = Buffer.from(text, 'base64url');
  if (bytes.length !== EXPIRY_BYTES + KEY_BYTES || bytes.toString('base64url') !== text) return undefined;
  return { expiresAt: bytes.readUInt32BE(0), key: bytes.subarray(EXPIRY_BYTES) };
}
