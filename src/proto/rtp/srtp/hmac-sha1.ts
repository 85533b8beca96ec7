import * as crypto from 'node:crypto';

const BLOCK = 64;
/** Where a message stands in the workspace: behind the inner pad, so that one hash call takes both. */
export const MESSAGE_AT = BLOCK;
/** The longest message, bytes; longer packets are refused before they come here. */
const MESSAGE_MAX = 4096;
/** The longest packet sealed or opened, bytes with header and tag. */
export const SRTP_PACKET_MAX = MESSAGE_MAX - 32;
/** | inner pad 64 | message | room for ROC, tag and a last block of key stream | */
export const workspace = Buffer.alloc(BLOCK + MESSAGE_MAX + 64);

/** Node ≥ 20.12 hashes in one call without an object; before that, the long way. */
const sha1: (data: Buffer) => string =
  crypto.hash === undefined
    ? data => crypto.createHash('sha1').update(data).digest('binary')
    : data => crypto.hash('sha1', data, 'binary');

/** HMAC-SHA1 (RFC 2104) of the message in the workspace, from precomputed pads: a third of createHmac's time. */
export class HmacSha1 {
  readonly #innerPad = Buffer.alloc(BLOCK, 0x36);
  readonly #outer = Buffer.alloc(BLOCK + 20, 0x5c);
  /** The 20 bytes of the last `sign`. */
  readonly tag = Buffer.alloc(20);

  /** `key` up to 64 bytes. */
  constructor(key: Uint8Array) {
    for (const [i, byte] of key.entries()) {
      this.#innerPad[i]! ^= byte;
      this.#outer[i]! ^= byte;
    }
  }

  /** Signs `length` bytes at MESSAGE_AT. */
  sign(length: number): void {
    workspace.set(this.#innerPad, 0);
    this.#outer.write(sha1(workspace.subarray(0, BLOCK + length)), BLOCK, 20, 'latin1');
    this.tag.write(sha1(this.#outer), 0, 20, 'latin1');
  }

  /** Compares the first `bytes` of the tag with those at `at`, in constant time. */
  matches(packet: Uint8Array, at: number, bytes: number): boolean {
    let difference = 0;
    for (let i = 0; i < bytes; i++) difference |= this.tag[i]! ^ packet[at + i]!;
    return difference === 0;
  }
}
