import { type Cipher, createCipheriv } from 'node:crypto';
import { HmacSha1, MESSAGE_AT, workspace } from './hmac-sha1.ts';
import type { PacketCipher } from './packet-cipher.ts';
import type { SessionKeys } from './profile.ts';

const RTCP_HEADER = 8;
const words = new Int32Array(workspace.buffer, workspace.byteOffset, workspace.length >> 2);

/** Packets whose key stream is made in one call, once numbers come in order: the call costs several times its AES. */
const AHEAD = 4;
/** SSRCs looked ahead for; for any further one each packet has a call of its own. */
const MOST_AHEAD = 16;
/** Counter blocks of one call: of one packet of MESSAGE_MAX bytes, or of AHEAD packets as networks carry them. */
const MOST_BLOCKS = AHEAD * 96;
const blocks = Buffer.allocUnsafeSlow(MOST_BLOCKS * 16);
const blockWords = new Int32Array(blocks.buffer, blocks.byteOffset, MOST_BLOCKS * 4);
const blockView = new DataView(blocks.buffer, blocks.byteOffset, blocks.length);
const LITTLE_ENDIAN = new Uint8Array(Uint32Array.of(1).buffer)[0] === 1;
const COUNTER_SHIFT = LITTLE_ENDIAN ? 24 : 0;
/** Views of the first n blocks, so that no packet makes one. */
const firstBlocks = Array.from({ length: MOST_BLOCKS + 1 }, (_, n) => blocks.subarray(0, n * 16));

/** Of one SSRC: key stream of `count` packets from (`roc`, `seq`) on, `blocks` for each. */
interface Ahead {
  roc: number;
  seq: number;
  count: number;
  blocks: number;
  words: Int32Array;
  /** The packet sealed last, and the most blocks one took since the stream was made. */
  last: number;
  most: number;
}
const NOTHING = new Int32Array(0);

/**
 * AES_CM_128_HMAC_SHA1_80 and _32, RFC 3711 §4.1.1 and §4.2.1.
 * ```
 * RTP   | header | ciphertext | tag 10 or 4 |         tag over header, ciphertext, ROC
 * RTCP  | first 8 bytes | ciphertext | E, index | tag 10 |
 * ```
 * Made fast: counter mode through one long-lived ECB cipher (creating a cipher costs more than AES itself), of several
 * packets to be sealed in one call, an XOR
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
  readonly #ahead = new Map<number, Ahead>();

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
    this.#cryptNext(at, payload.length, ssrc, roc, seq);
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

  /** As `#crypt`, with key stream made ahead: all of the packets to come is known but what they say. */
  #cryptNext(at: number, length: number, ssrc: number, roc: number, seq: number): void {
    const count = (length + 15) >> 4;
    if (count === 0) return;
    const ahead = this.#ahead.get(ssrc) ?? this.#remember(ssrc, roc, seq);
    if (ahead === undefined) return this.#crypt(at, length, ssrc, roc, seq);
    const inOrder = roc === ahead.roc && seq === ahead.last + 1;
    ahead.last = seq;
    ahead.most = Math.max(ahead.most, count);
    let step = roc === ahead.roc ? seq - ahead.seq : -1;
    if (step < 0 || step >= ahead.count || count > ahead.blocks) {
      if (!inOrder) {
        ahead.roc = roc;
        ahead.count = 0;
        return this.#crypt(at, length, ssrc, roc, seq);
      }
      this.#look(ahead, ssrc, seq);
      step = 0;
    }
    xor(at, count, ahead.words, step * ahead.blocks * 4);
  }

  #remember(ssrc: number, roc: number, seq: number): Ahead | undefined {
    if (this.#ahead.size === MOST_AHEAD) return undefined;
    const ahead = { roc, seq, count: 0, blocks: 0, words: NOTHING, last: seq, most: 0 };
    this.#ahead.set(ssrc, ahead);
    return ahead;
  }

  /** Not beyond the end of the sequence numbers, where ROC changes. */
  #look(ahead: Ahead, ssrc: number, seq: number): void {
    const each = ahead.most;
    const count = Math.min(AHEAD, Math.floor(MOST_BLOCKS / each), 0x10000 - seq);
    for (let i = 0; i < count; i++) this.#counters(i * each, each, ssrc, ahead.roc, seq + i);
    ahead.words = this.#stream(count * each);
    ahead.seq = seq;
    ahead.count = count;
    ahead.blocks = each;
    ahead.most = 0;
  }

  /** XORs the key stream over the workspace. `at` is a multiple of 4: RTP headers are whole words. */
  #crypt(at: number, length: number, ssrc: number, roc: number, seq: number): void {
    const count = (length + 15) >> 4;
    if (count === 0) return;
    this.#counters(0, count, ssrc, roc, seq);
    xor(at, count, this.#stream(count), 0);
  }

  /** `count` counter blocks of one packet, from block `first` on. The last byte counts: 256 blocks, MESSAGE_MAX bytes. */
  #counters(first: number, count: number, ssrc: number, roc: number, seq: number): void {
    // RFC 3711 §4.1.1: IV = salt·2^16 XOR SSRC·2^64 XOR index·2^16.
    const salt = this.#salt;
    const begin = first * 16;
    blockView.setInt32(begin, salt.getInt32(0));
    blockView.setInt32(begin + 4, salt.getInt32(4) ^ ssrc);
    blockView.setInt32(begin + 8, salt.getInt32(8) ^ roc);
    blockView.setInt32(begin + 12, (salt.getUint16(12) ^ seq) << 16);
    const word = first * 4;
    const a = blockWords[word]!;
    const b = blockWords[word + 1]!;
    const c = blockWords[word + 2]!;
    const d = blockWords[word + 3]!;
    for (let n = 1, to = word + 4; n < count; n++, to += 4) {
      blockWords[to] = a;
      blockWords[to + 1] = b;
      blockWords[to + 2] = c;
      blockWords[to + 3] = d | (n << COUNTER_SHIFT);
    }
  }

  /** The first `count` counter blocks, enciphered. */
  #stream(count: number): Int32Array {
    const stream = this.#ecb.update(firstBlocks[count]!);
    return new Int32Array(stream.buffer, stream.byteOffset, count * 4);
  }
}

/** May run up to 15 bytes past the message: the workspace has the room, and what stands there is written later. */
function xor(at: number, count: number, stream: Int32Array, from: number): void {
  for (let i = from, to = at >> 2, end = from + count * 4; i < end; i++, to++) words[to]! ^= stream[i]!;
}
