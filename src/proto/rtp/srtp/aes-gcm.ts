import { type CipherGCMTypes, createCipheriv, createDecipheriv, type KeyObject } from 'node:crypto';
import { GcmCipher, TAG_BYTES } from './gcm.ts';
import type { SessionKeys } from './profile.ts';

const TAG = { authTagLength: TAG_BYTES };

/** AEAD_AES_128_GCM and AEAD_AES_256_GCM, RFC 7714. */
export class AesGcmCipher extends GcmCipher {
  readonly #algorithm: CipherGCMTypes;
  readonly #key: KeyObject;
  readonly #iv = Buffer.alloc(12);

  constructor(keys: Pick<SessionKeys, 'key' | 'salt'>) {
    super(keys.salt);
    this.#algorithm = keys.key.symmetricKeySize === 32 ? 'aes-256-gcm' : 'aes-128-gcm';
    this.#key = keys.key;
  }

  seal(
    out: Uint8Array,
    headerBytes: number,
    payload: Uint8Array,
    ssrc: number,
    roc: number,
    seq: number,
  ): number {
    const cipher = createCipheriv(this.#algorithm, this.#key, this.nonce(ssrc, roc, seq), TAG);
    cipher.setAAD(out.subarray(0, headerBytes));
    out.set(cipher.update(payload), headerBytes);
    cipher.final();
    const end = headerBytes + payload.length;
    out.set(cipher.getAuthTag(), end);
    return end + TAG_BYTES;
  }

  open(
    packet: Uint8Array,
    headerBytes: number,
    out: Uint8Array,
    ssrc: number,
    roc: number,
    seq: number,
  ): boolean {
    const end = packet.length - TAG_BYTES;
    const aad = packet.subarray(0, headerBytes);
    const decipher = createDecipheriv(this.#algorithm, this.#key, this.nonce(ssrc, roc, seq), TAG);
    decipher.setAAD(aad);
    decipher.setAuthTag(packet.subarray(end));
    const plain = decipher.update(packet.subarray(headerBytes, end));
    if (!verified(decipher)) return false;
    out.set(aad);
    out.set(plain, headerBytes);
    return true;
  }

  protected lock(nonce: Buffer, data: Uint8Array, plain: Uint8Array): readonly [Uint8Array, Uint8Array] {
    const cipher = createCipheriv(this.#algorithm, this.#key, nonce, TAG);
    cipher.setAAD(data);
    const sealed = cipher.update(plain);
    cipher.final();
    return [sealed, cipher.getAuthTag()];
  }

  protected unlock(
    nonce: Buffer,
    data: Uint8Array,
    sealed: Uint8Array,
    tag: Uint8Array,
  ): Uint8Array | undefined {
    const decipher = createDecipheriv(this.#algorithm, this.#key, nonce, TAG);
    decipher.setAAD(data);
    decipher.setAuthTag(tag);
    const plain = decipher.update(sealed);
    return verified(decipher) ? plain : undefined;
  }

  protected nonce(ssrc: number, roc: number, seq: number): Buffer {
    return this.writeNonce(this.#iv, ssrc, roc, seq);
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
