import { hkdfSync } from 'node:crypto';
import type { SrtpKeys } from '../rtp/srtp/profile.ts';

/** Bytes of the secret in HELLO_ACK. */
export const SECRET_BYTES = 32;

/** Who seals: the side that sent HELLO, or the side that answered it. */
export type Direction = 'from-client' | 'from-server';

/**
 * SRTP master key and salt of one direction and epoch: HKDF-SHA256 (RFC 5869) of the secret. Two directions never
 * share a key, so both may count SSRCs from 1; a higher epoch rekeys.
 */
export function directionKeys(secret: Uint8Array, direction: Direction, epoch: number): SrtpKeys {
  if (secret.length !== SECRET_BYTES)
    throw new RangeError(`an aRTP secret has ${SECRET_BYTES} bytes, not ${secret.length}`);
  const info = `roombridge artp 1 ${direction} epoch ${epoch}`;
  const bytes = Buffer.from(hkdfSync('sha256', secret, Buffer.alloc(0), info, 28));
  return {
    profile: 'AEAD_AES_128_GCM',
    masterKey: bytes.subarray(0, 16),
    masterSalt: bytes.subarray(16, 28),
  };
}
