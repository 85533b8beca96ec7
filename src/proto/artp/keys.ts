import { hkdfSync } from 'node:crypto';
import { packetCipher } from '../rtp/srtp/cipher.ts';
import type { PacketCipher } from '../rtp/srtp/packet-cipher.ts';
import type { SrtpKeys } from '../rtp/srtp/profile.ts';
import { Sm4GcmCipher } from './sm4-gcm.ts';

/** Bytes of the secret in HELLO_ACK. */
export const SECRET_BYTES = 32;

/** How packets are sealed. `sm4-gcm` is SM4 media encryption, no more: the stream below stays TLS 1.3 with AES. */
export const SUITES = ['aes-128-gcm', 'sm4-gcm'] as const;
export type Suite = (typeof SUITES)[number];

/** Who seals: the side that sent HELLO, or the side that answered it. */
export type Direction = 'from-client' | 'from-server';
export const opposite = (d: Direction): Direction => (d === 'from-client' ? 'from-server' : 'from-client');

const info = (direction: Direction, epoch: number): string => `roombridge artp 1 ${direction} epoch ${epoch}`;

function checkSecret(secret: Uint8Array): void {
  if (secret.length !== SECRET_BYTES)
    throw new RangeError(`an aRTP secret has ${SECRET_BYTES} bytes, not ${secret.length}`);
}

/**
 * SRTP master key and salt of one direction and epoch: HKDF-SHA256 (RFC 5869) of the secret. Two directions never
 * share a key, so both may count SSRCs from 1; a higher epoch rekeys.
 */
export function directionKeys(secret: Uint8Array, direction: Direction, epoch: number): SrtpKeys {
  checkSecret(secret);
  const bytes = Buffer.from(hkdfSync('sha256', secret, Buffer.alloc(0), info(direction, epoch), 28));
  return {
    profile: 'AEAD_AES_128_GCM',
    masterKey: bytes.subarray(0, 16),
    masterSalt: bytes.subarray(16, 28),
  };
}

/**
 * The cipher of one direction, epoch and kind of packet. SM4: key (16) and salt (12) straight from HKDF over SM3, the
 * kind in its info, because the key derivation of RFC 3711 §4.3 is made of AES.
 */
export function directionCipher(
  secret: Uint8Array,
  direction: Direction,
  epoch: number,
  suite: Suite,
  kind: 'rtp' | 'rtcp',
): PacketCipher {
  if (suite === 'aes-128-gcm') return packetCipher(directionKeys(secret, direction, epoch), kind);
  checkSecret(secret);
  const text = `${info(direction, epoch)} sm4-gcm ${kind}`;
  const bytes = Buffer.from(hkdfSync('sm3', secret, Buffer.alloc(0), text, 28));
  return new Sm4GcmCipher(bytes.subarray(0, 16), bytes.subarray(16, 28));
}
