import { type CipherGCMTypes, createCipheriv, createDecipheriv, type KeyObject } from 'node:crypto';
import type { PacketCipher } from './packet-cipher.ts';
import type { SessionKeys } from './profile.ts';

const TAG = { authTagLength: 16 };
const RTCP_HEADER = 8;

/**
 * AEAD_AES_128_GCM and AEAD_AES_256_GCM, RFC 7714.
 * ```
 * RTP   | header = AAD | ciphertext | tag 16 |
 * RTCP  | first 8 bytes, AAD | ciphertext | tag 16 | E, index: AAD too |
 * ```
 */
export class AesGcmCipher implements PacketCipher {
  readonly tagBytes = 16;
  readonly wordFromEnd = 4;
  readonly trailerBytes = 0;
  readonly #algorithm: CipherGCMTypes;
  readonly #key: KeyObject;
  readonly #salt: Buffer;
  readonly #iv = Buffer.alloc(12);

  constructor(keys: Pick<SessionKeys, 'key' | 'salt'>) {
    this.#algorithm = keys.key.symmetricKeySize === 32 ? 'aes-256-gcm' : 'aes-128-gcm';
    this.#key = keys.key;
    this.#salt = keys.salt;
  }

  seal(
    out: Uint8Array,
    headerBytes: number,
    payload: Uint8Array,
    ssrc: number,
    roc: number,
    seq: number,
  ): number {
    const cipher = createCipheriv(this.#algorithm, this.#key, this.#nonce(ssrc, roc, seq), TAG);
    cipher.setAAD(out.subarray(0, headerBytes));
    out.set(cipher.update(payload), headerBytes);
    cipher.final();
    const end = headerBytes + payload.length;
    out.set(cipher.getAuthTag(), end);
    return end + 16;
  }

  open(
    packet: Uint8Array,
    headerBytes: number,
    out: Uint8Array,
    ssrc: number,
    roc: number,
    seq: number,
  ): boolean {
    const end = packet.length - 16;
    const aad = packet.subarray(0, headerBytes);
    const decipher = createDecipheriv(this.#algorithm, this.#key, this.#nonce(ssrc, roc, seq), TAG);
    decipher.setAAD(aad);
    decipher.setAuthTag(packet.subarray(end));
    const plain = decipher.update(packet.subarray(headerBytes, end));
    if (!verified(decipher)) return false;
    out.set(aad);
    out.set(plain, headerBytes);
    return true;
  }

  sealRtcp(packet: Uint8Array, ssrc: number, word: number): Buffer {
    const trailer = Buffer.alloc(4);
    trailer.writeUInt32BE(word);
    const header = packet.subarray(0, RTCP_HEADER);
    const cipher = createCipheriv(this.#algorithm, this.#key, this.#rtcpNonce(ssrc, word), TAG);
    cipher.setAAD(Buffer.concat([header, trailer]));
    const sealed = cipher.update(packet.subarray(RTCP_HEADER));
    cipher.final();
    return Buffer.concat([header, sealed, cipher.getAuthTag(), trailer]);
  }

  openRtcp(packet: Uint8Array, ssrc: number, word: number): Buffer | undefined {
    const end = packet.length - 20;
    const header = packet.subarray(0, RTCP_HEADER);
    const decipher = createDecipheriv(this.#algorithm, this.#key, this.#rtcpNonce(ssrc, word), TAG);
    decipher.setAAD(Buffer.concat([header, packet.subarray(end + 16)]));
    decipher.setAuthTag(packet.subarray(end, end + 16));
    const plain = decipher.update(packet.subarray(RTCP_HEADER, end));
    return verified(decipher) ? Buffer.concat([header, plain]) : undefined;
  }

  #rtcpNonce(ssrc: number, word: number): Buffer {
    return this.#nonce(ssrc, (word >>> 16) & 0x7fff, word & 0xffff);
  }

  /** RFC 7714 §8.1: salt XOR (0, 0, SSRC, ROC, SEQ). */
  #nonce(ssrc: number, roc: number, seq: number): Buffer {
    const iv = this.#iv;
    iv.writeUInt16BE(0, 0);
    iv.writeUInt32BE(ssrc, 2);
    iv.writeUInt32BE(roc, 6);
    iv.writeUInt16BE(seq, 10);
    for (let i = 0; i < 12; i++) iv[i]! ^= this.#salt[i]!;
    return iv;
  }
}

function verified(decipher: { final(): Buffer }): boolean {
  try {
    decipher.final();
    return true;
  } catch {
    return false;
  }
}
