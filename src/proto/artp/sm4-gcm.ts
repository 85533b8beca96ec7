import { createCipheriv, createSecretKey, type KeyObject } from 'node:crypto';
import { GHASH } from '@noble/ciphers/_polyval.js';
import type { PacketCipher } from '../rtp/srtp/packet-cipher.ts';

const RTCP_HEADER = 8;
const TAG_BYTES = 16;
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
export class Sm4GcmCipher implements PacketCipher {
  readonly tagBytes = TAG_BYTES;
  readonly wordFromEnd = 4;
  readonly trailerBytes = 0;
  readonly #key: KeyObject;
  readonly #salt: Uint8Array;
  readonly #hash: KeyedGhash;
  /** NIST SP 800-38D §7.1: the 96-bit nonce and a 32-bit counter; 1 masks the tag, data begins with 2. */
  readonly #counter = Buffer.alloc(16);
  readonly #lengths = Buffer.alloc(16);

  /** `key` 16 bytes, `salt` 12. */
  constructor(key: Uint8Array, salt: Uint8Array) {
    this.#key = createSecretKey(key);
    this.#salt = salt;
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
    const { stream, mask } = this.#start(ssrc, roc, seq);
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
    const { stream, mask } = this.#start(ssrc, roc, seq);
    if (!same(this.#tag(header, sealed, mask), packet, end)) return false;
    out.set(header);
    out.set(stream.update(sealed), headerBytes);
    return true;
  }

  sealRtcp(packet: Uint8Array, ssrc: number, word: number): Buffer {
    const trailer = Buffer.alloc(4);
    trailer.writeUInt32BE(word);
    const header = packet.subarray(0, RTCP_HEADER);
    const { stream, mask } = this.#start(ssrc, (word >>> 16) & 0x7fff, word & 0xffff);
    const sealed = stream.update(packet.subarray(RTCP_HEADER));
    const tag = this.#tag(Buffer.concat([header, trailer]), sealed, mask);
    return Buffer.concat([header, sealed, tag, trailer]);
  }

  openRtcp(packet: Uint8Array, ssrc: number, word: number): Buffer | undefined {
    const end = packet.length - TAG_BYTES - 4;
    const header = packet.subarray(0, RTCP_HEADER);
    const sealed = packet.subarray(RTCP_HEADER, end);
    const { stream, mask } = this.#start(ssrc, (word >>> 16) & 0x7fff, word & 0xffff);
    const data = Buffer.concat([header, packet.subarray(end + TAG_BYTES)]);
    if (!same(this.#tag(data, sealed, mask), packet, end)) return undefined;
    return Buffer.concat([header, stream.update(sealed)]);
  }

  /** The key stream behind the block that masks the tag. RFC 7714 §8.1: nonce = salt XOR (0, 0, SSRC, ROC, SEQ). */
  #start(ssrc: number, roc: number, seq: number) {
    const counter = this.#counter;
    counter.writeUInt16BE(0, 0);
    counter.writeUInt32BE(ssrc, 2);
    counter.writeUInt32BE(roc, 6);
    counter.writeUInt16BE(seq, 10);
    for (let i = 0; i < 12; i++) counter[i]! ^= this.#salt[i]!;
    counter.writeUInt32BE(1, 12);
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
