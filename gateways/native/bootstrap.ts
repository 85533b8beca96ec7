import { hkdfSync, randomBytes } from 'node:crypto';
import { SECRET_BYTES } from '../../src/proto/artp/keys.ts';
import { Session } from '../../src/proto/artp/session/session.ts';
import { type Route, SESSION_TIMES } from '../../src/proto/artp/session/types.ts';
import { CONNECTION_BYTES } from '../../src/proto/artp/trailer.ts';
import type { DtlsOutput } from '../../src/proto/dtls/end.ts';
import type { FlightTiming } from '../../src/proto/dtls/flight-sender.ts';

/**
 * HELLO where no stream gets through: a DTLS handshake on the UDP port, and a short session under its keys, whose
 * messages are repeated until they arrive. HELLO is its first message, the answer its second; then it is forgotten.
 */
export const HELLO_TIMING: FlightTiming = { firstMs: 150, maxMs: 150, sendings: 100 };
export const HELLO_PROFILES = ['AEAD_AES_128_GCM'] as const;

export interface BootstrapOptions {
  readonly side: 'client' | 'server';
  readonly keys: Extract<DtlsOutput, { type: 'connected' }>;
  readonly now: number;
  readonly transmit: (bytes: Uint8Array, length: number, route: Route) => void;
}

/** The same at both ends: secret and connection ids of the DTLS keys (HKDF-SHA256, RFC 5869). */
export function bootstrapSession({ side, keys, now, transmit }: BootstrapOptions): Session {
  const { client, server } = keys;
  const input = Buffer.concat([client.masterKey, client.masterSalt, server.masterKey, server.masterSalt]);
  const derived = (what: string, bytes: number): Buffer =>
    Buffer.from(hkdfSync('sha256', input, Buffer.alloc(0), `roombridge artp 1 hello ${what}`, bytes));
  const ids = { client: derived('client', CONNECTION_BYTES), server: derived('server', CONNECTION_BYTES) };
  return new Session({
    side,
    secret: derived('secret', SECRET_BYTES),
    suite: 'aes-128-gcm',
    ours: ids[side],
    theirs: ids[side === 'client' ? 'server' : 'client'],
    random: randomBytes,
    times: SESSION_TIMES,
    budgetMs: 0,
    now,
    transmit,
    count: () => {},
  });
}
