import { createCipheriv, createSecretKey, type KeyObject } from 'node:crypto';
import { GHASH } from '@noble/ciphers/_polyval.js';
import { GcmCipher, TAG_BYTES } from '../rtp/srtp/gcm.ts';

const ZEROS = Buffer.alloc(16);
/** The library makes larger tables, and needs fewer steps, for who will hash more than a kilobyte. */
const TABLE_FOR_BYTES = 2048;

/** GHASH of one key, used again for every packet: its tables cost more than the hash. */
class KeyedGhash extends GHASH {
  readonly out = new Uint8Array(TAG_BYTES);

  constructor(key: Uint8Array) {
    super(key, TABLE_FOR_BYTES);
  }

  /** Of three segments; borrowed until the next call. */
  of(data: Uint8Array, sealed: Uint8Array, lengths: Uint8Array): Uint8Array {
    this.s0 = this.s1 = this.s2 = this.s3 = 0;
    this.finished = false;
    this.update(data).update(sealed).update(lengths).digestInto(this.out);
    return this.out;
  }
}

/**
 * SM4-GCM (RFC 8998 §2.1) in the layout of RFC 7714: what AesGcmCipher is with AES. OpenSSL has SM4 in counter mode
 * but, in Node 20, not in GCM: the counter mode is OpenSSL's, GHASH that of a kept library.
 */
export class Sm4GcmCipher extends GcmCipher {
  readonly #key: KeyObject;
  readonly #hash: KeyedGhash;
  /** NIST SP 800-38D §7.1: the 96-bit nonce and a 32-bit counter; 1 masks the tag, data begins with 2. */
  readonly #counter = Buffer.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1);
  readonly #lengths = Buffer.alloc(16);

  /** `key` 16 bytes, `salt` 12. */
  constructor(key: Uint8Array, salt: Uint8Array) {
    super(salt);
    this.#key = createSecretKey(key);
    this.#hash = new KeyedGhash(
      createCipheriv('sm4-ecb', this.#key, null).setAutoPadding(false).update(ZEROS),
    );
  }

  seal(
    out: Uint8Array,
    headerBytes: number,
    payload: Uint8Array,
    ssrc: number,
    roc: number,
    seq: number,
  ): number {
    const { stream, mask } = this.#start(this.nonce(ssrc, roc, seq));
    const sealed = stream.update(payload);
    out.set(sealed, headerBytes);
    const end = headerBytes + payload.length;
    out.set(this.#tag(out.subarray(0, headerBytes), sealed, mask), end);
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
    const header = packet.subarray(0, headerBytes);
    const sealed = packet.subarray(headerBytes, end);
    const { stream, mask } = this.#start(this.nonce(ssrc, roc, seq));
    if (!same(this.#tag(header, sealed, mask), packet, end)) return false;
    out.set(header);
    out.set(stream.update(sealed), headerBytes);
    return true;
  }

  protected lock(nonce: Buffer, data: Uint8Array, plain: Uint8Array): readonly [Uint8Array, Uint8Array] {
    const { stream, mask } = this.#start(nonce);
    const sealed = stream.update(plain);
    return [sealed, this.#tag(data, sealed, mask)];
  }

  protected unlock(
    nonce: Buffer,
    data: Uint8Array,
    sealed: Uint8Array,
    tag: Uint8Array,
  ): Uint8Array | undefined {
    const { stream, mask } = this.#start(nonce);
    return same(this.#tag(data, sealed, mask), tag, 0) ? stream.update(sealed) : undefined;
  }

  /** With the counter behind it. */
  protected nonce(ssrc: number, roc: number, seq: number): Buffer {
    return this.writeNonce(this.#counter, ssrc, roc, seq);
  }

  /** The key stream behind the block that masks the tag. */
  #start(counter: Buffer) {
    const stream = createCipheriv('sm4-ctr', this.#key, counter);
    return { stream, mask: stream.update(ZEROS) };
  }

  /** NIST SP 800-38D §7.1: GHASH of the associated data, the ciphertext and both lengths in bits, masked. */
  #tag(data: Uint8Array, sealed: Uint8Array, mask: Buffer): Uint8Array {
    const lengths = this.#lengths;
    lengths.writeUInt32BE(data.length * 8, 4);
    lengths.writeUInt32BE(sealed.length * 8, 12);
    const tag = this.#hash.of(data, sealed, lengths);
    for (let i = 0; i < TAG_BYTES; i++) tag[i]! ^= mask[i]!;
    return tag;
  }
}

/** In a time that does not tell where they differ. */
function same(tag: Uint8Array, packet: Uint8Array, at: number): boolean {
  let difference = 0;
  for (let i = 0; i < TAG_BYTES; i++) difference |= tag[i]! ^ packet[at + i]!;
  return difference === 0;
}
