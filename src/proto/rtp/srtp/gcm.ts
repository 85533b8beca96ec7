import type { PacketCipher } from './packet-cipher.ts';

export const TAG_BYTES = 16;
const RTCP_HEADER = 8;
const WORD_BYTES = 4;

/**
 * The layout of RFC 7714, whatever block cipher is in the middle: nonces, and SRTCP.
 * ```
 * RTP   | header = AAD | ciphertext | tag 16 |
 * RTCP  | first 8 bytes, AAD | ciphertext | tag 16 | E, index: AAD too |
 * ```
 */
export abstract class GcmCipher implements PacketCipher {
  readonly tagBytes = TAG_BYTES;
  readonly wordFromEnd = WORD_BYTES;
  readonly trailerBytes = 0;
  readonly #salt: Uint8Array;

  /** `salt`: 12 bytes. */
  constructor(salt: Uint8Array) {
    this.#salt = salt;
  }

  abstract seal(
    out: Uint8Array,
    headerBytes: number,
    payload: Uint8Array,
    ssrc: number,
    roc: number,
    seq: number,
  ): number;
  abstract open(
    packet: Uint8Array,
    headerBytes: number,
    out: Uint8Array,
    ssrc: number,
    roc: number,
    seq: number,
  ): boolean;

  /** Ciphertext and tag; `nonce` is borrowed, `data` associated. */
  protected abstract lock(
    nonce: Buffer,
    data: Uint8Array,
    plain: Uint8Array,
  ): readonly [Uint8Array, Uint8Array];
  /** Undefined when the tag does not fit. */
  protected abstract unlock(
    nonce: Buffer,
    data: Uint8Array,
    sealed: Uint8Array,
    tag: Uint8Array,
  ): Uint8Array | undefined;
  /** RFC 7714 §8.1: salt XOR (0, 0, SSRC, ROC, SEQ), into the first 12 bytes of something borrowed until the next call. */
  protected abstract nonce(ssrc: number, roc: number, seq: number): Buffer;

  protected writeNonce(into: Buffer, ssrc: number, roc: number, seq: number): Buffer {
    into.writeUInt16BE(0, 0);
    into.writeUInt32BE(ssrc, 2);
    into.writeUInt32BE(roc, 6);
    into.writeUInt16BE(seq, 10);
    for (let i = 0; i < 12; i++) into[i]! ^= this.#salt[i]!;
    return into;
  }

  sealRtcp(packet: Uint8Array, ssrc: number, word: number): Buffer {
    const trailer = Buffer.alloc(WORD_BYTES);
    trailer.writeUInt32BE(word);
    const header = packet.subarray(0, RTCP_HEADER);
    const data = Buffer.concat([header, trailer]);
    const [sealed, tag] = this.lock(this.#rtcpNonce(ssrc, word), data, packet.subarray(RTCP_HEADER));
    return Buffer.concat([header, sealed, tag, trailer]);
  }

  openRtcp(packet: Uint8Array, ssrc: number, word: number): Buffer | undefined {
    const end = packet.length - TAG_BYTES - WORD_BYTES;
    const header = packet.subarray(0, RTCP_HEADER);
    const data = Buffer.concat([header, packet.subarray(end + TAG_BYTES)]);
    const tag = packet.subarray(end, end + TAG_BYTES);
    const plain = this.unlock(this.#rtcpNonce(ssrc, word), data, packet.subarray(RTCP_HEADER, end), tag);
    return plain && Buffer.concat([header, plain]);
  }

  /** RFC 7714 §9.1: the 31 bits of the index stand where ROC and SEQ do. */
  #rtcpNonce(ssrc: number, word: number): Buffer {
    return this.nonce(ssrc, (word >>> 16) & 0x7fff, word & 0xffff);
  }
}
