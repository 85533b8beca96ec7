import { type Cipher, createCipheriv } from 'node:crypto';
import { HmacSha1, MESSAGE_AT, MESSAGE_MAX, workspace } from './hmac-sha1.ts';
import type { PacketCipher } from './packet-cipher.ts';
import type { SessionKeys } from './profile.ts';

const RTCP_HEADER = 8;
const words = new Int32Array(workspace.buffer, workspace.byteOffset, workspace.length >> 2);

/** Counter blocks of one packet, enciphered in one call. The last byte counts: 256 blocks, MESSAGE_MAX bytes. */
const blocks = Buffer.allocUnsafeSlow(MESSAGE_MAX);
const blockWords = new Int32Array(blocks.buffer, blocks.byteOffset, MESSAGE_MAX >> 2);
const firstBlock = new DataView(blocks.buffer, blocks.byteOffset, 16);
const LITTLE_ENDIAN = new Uint8Array(Uint32Array.of(1).buffer)[0] === 1;
const COUNTER_SHIFT = LITTLE_ENDIAN ? 24 : 0;
/** Views of the first n blocks, so that no packet makes one. */
const firstBlocks = Array.from({ length: (MESSAGE_MAX >> 4) + 1 }, (_, n) => blocks.subarray(0, n * 16));

/**
 * AES_CM_128_HMAC_SHA1_80 and _32, RFC 3711 §4.1.1 and §4.2.1.
 * ```
 * RTP   | header | ciphertext | tag 10 or 4 |         tag over header, ciphertext, ROC
 * RTCP  | first 8 bytes | ciphertext | E, index | tag 10 |
 * ```
 * Made fast: counter mode through one long-lived ECB cipher (creating a cipher costs more than AES itself), an XOR
 * over 32-bit words, and HMAC as two one-shot hashes. Byte for byte what createCipheriv('aes-128-ctr') gives (tested).
 * Packets are worked on in one shared workspace, which is safe because nothing here calls out.
 */
export class AesCmCipher implements PacketCipher {
  readonly tagBytes: number;
  readonly wordFromEnd: number;
  readonly trailerBytes: number;
  readonly #ecb: Cipher;
  readonly #hmac: HmacSha1;
  readonly #salt: DataView;

  constructor(keys: SessionKeys, tagBytes: number) {
    this.tagBytes = this.trailerBytes = tagBytes;
    this.wordFromEnd = 4 + tagBytes;
    this.#ecb = createCipheriv('aes-128-ecb', keys.key, null).setAutoPadding(false);
    this.#hmac = new HmacSha1(keys.auth);
    this.#salt = new DataView(keys.salt.buffer, keys.salt.byteOffset, 14);
  }

  seal(
    out: Uint8Array,
    headerBytes: number,
    payload: Uint8Array,
    ssrc: number,
    roc: number,
    seq: number,
  ): number {
    const at = MESSAGE_AT + headerBytes;
    const end = at + payload.length;
    for (let i = 0; i < headerBytes; i++) workspace[MESSAGE_AT + i] = out[i]!;
    workspace.set(payload, at);
    this.#crypt(at, payload.length, ssrc, roc, seq);
    workspace.writeUInt32BE(roc, end);
    this.#hmac.sign(headerBytes + payload.length + 4);
    this.#hmac.tag.copy(workspace, end, 0, this.tagBytes);
    workspace.copy(out, headerBytes, at, end + this.tagBytes);
    return headerBytes + payload.length + this.tagBytes;
  }

  open(
    packet: Uint8Array,
    headerBytes: number,
    out: Uint8Array,
    ssrc: number,
    roc: number,
    seq: number,
  ): boolean {
    const length = packet.length - this.tagBytes;
    workspace.set(packet, MESSAGE_AT);
    workspace.writeUInt32BE(roc, MESSAGE_AT + length);
    this.#hmac.sign(length + 4);
    if (!this.#hmac.matches(packet, length, this.tagBytes)) return false;
    this.#crypt(MESSAGE_AT + headerBytes, length - headerBytes, ssrc, roc, seq);
    workspace.copy(out, 0, MESSAGE_AT, MESSAGE_AT + length);
    return true;
  }

  sealRtcp(packet: Uint8Array, ssrc: number, word: number): Buffer {
    const length = packet.length;
    workspace.set(packet, MESSAGE_AT);
    this.#cryptRtcp(length, ssrc, word);
    workspace.writeUInt32BE(word, MESSAGE_AT + length);
    this.#hmac.sign(length + 4);
    this.#hmac.tag.copy(workspace, MESSAGE_AT + length + 4, 0, this.tagBytes);
    return Buffer.from(workspace.subarray(MESSAGE_AT, MESSAGE_AT + length + 4 + this.tagBytes));
  }

  openRtcp(packet: Uint8Array, ssrc: number, word: number): Buffer | undefined {
    const signed = packet.length - this.tagBytes;
    workspace.set(packet, MESSAGE_AT);
    this.#hmac.sign(signed);
    if (!this.#hmac.matches(packet, signed, this.tagBytes)) return undefined;
    this.#cryptRtcp(signed - 4, ssrc, word);
    return Buffer.from(workspace.subarray(MESSAGE_AT, MESSAGE_AT + signed - 4));
  }

  #cryptRtcp(length: number, ssrc: number, word: number): void {
    const index = word & 0x7fffffff;
    this.#crypt(MESSAGE_AT + RTCP_HEADER, length - RTCP_HEADER, ssrc, index >>> 16, index & 0xffff);
  }

  /** XORs the key stream over the workspace. `at` is a multiple of 4: RTP headers are whole words. */
  #crypt(at: number, length: number, ssrc: number, roc: number, seq: number): void {
    const count = (length + 15) >> 4;
    if (count === 0) return;
    // RFC 3711 §4.1.1: IV = salt·2^16 XOR SSRC·2^64 XOR index·2^16.
    const salt = this.#salt;
    firstBlock.setInt32(0, salt.getInt32(0));
    firstBlock.setInt32(4, salt.getInt32(4) ^ ssrc);
    firstBlock.setInt32(8, salt.getInt32(8) ^ roc);
    firstBlock.setInt32(12, (salt.getUint16(12) ^ seq) << 16);
    const a = blockWords[0]!;
    const b = blockWords[1]!;
    const c = blockWords[2]!;
    const d = blockWords[3]!;
    for (let n = 1, to = 4; n < count; n++, to += 4) {
      blockWords[to] = a;
      blockWords[to + 1] = b;
      blockWords[to + 2] = c;
      blockWords[to + 3] = d | (n << COUNTER_SHIFT);
    }
    const stream = this.#ecb.update(firstBlocks[count]!);
    const streamWords = new Int32Array(stream.buffer, stream.byteOffset, count * 4);
    // May run up to 15 bytes past `length`: the workspace has the room, and what stands there is written later.
    for (let i = 0, to = at >> 2, n = count * 4; i < n; i++, to++) words[to]! ^= streamWords[i]!;
  }
}
