import { createHmac } from 'node:crypto';
import type { Termination } from '../../kit/refusal.ts';

/**
 * RTMP handshake, both sides, simple and with digests. RTMP 1.0 §5.2; the digest form is what Flash Player 9 brought
 * and many clients (ffmpeg among them) still send and check.
 * ```
 * C0/S0: version 1 (= 3)
 * C1/S1: time 4 | zero 4 (digest form: software version) | random 1528
 * C2/S2: time 4 | time2 4 | the other side's random 1528 (digest form: random, digest of the other's digest last)
 *
 * digest in C1/S1, one of two places ("schemas"):
 *   schema 0: offset bytes at 772…775, digest at 776 + sum mod 728
 *   schema 1: offset bytes at 8…11,    digest at  12 + sum mod 728
 * ```
 */
export const HANDSHAKE_BYTES = 1536;
const DIGEST_BYTES = 32;
const RTMP_VERSION = 3;

const secret = Buffer.from('f0eec24a8068bee82e00d0d1029e7e576eec5d2d29806fab93b8e636cfeb31ae', 'hex');
const CLIENT_KEY = Buffer.concat([Buffer.from('Genuine Adobe Flash Player 001'), secret]);
const SERVER_KEY = Buffer.concat([Buffer.from('Genuine Adobe Flash Media Server 001'), secret]);
/** C1 and S1 are signed with the name alone, C2 and S2 with the whole key. */
const CLIENT_NAME = CLIENT_KEY.subarray(0, 30);
const SERVER_NAME = SERVER_KEY.subarray(0, 36);
/** Clients check digests only when the server says it is version 3 or later. */
const SERVER_VERSION = 0x04050001;
const CLIENT_VERSION = 0x0a002d02;

type Schema = 0 | 1;
/** `n` random bytes: randomness is handed in, cores have none. */
export type Random = (n: number) => Buffer;

const hmac = (key: Uint8Array, ...parts: readonly Uint8Array[]): Buffer => {
  const h = createHmac('sha256', key);
  for (const part of parts) h.update(part);
  return h.digest();
};

function digestOffset(block: Uint8Array, schema: Schema): number {
  const base = schema === 0 ? 772 : 8;
  let sum = 0;
  for (let i = 0; i < 4; i++) sum += block[base + i] as number;
  return (sum % 728) + base + 4;
}

const digestOf = (block: Uint8Array, at: number, key: Uint8Array): Buffer =>
  hmac(key, block.subarray(0, at), block.subarray(at + DIGEST_BYTES));

/** The valid digest in `block`, with where it stood; undefined: the peer speaks the simple form. */
function findDigest(block: Uint8Array, key: Uint8Array): { schema: Schema; digest: Buffer } | undefined {
  for (const schema of [0, 1] as const) {
    const at = digestOffset(block, schema);
    const digest = Buffer.from(block.subarray(at, at + DIGEST_BYTES));
    if (digestOf(block, at, key).equals(digest)) return { schema, digest };
  }
  return undefined;
}

function sign(block: Buffer, schema: Schema, key: Uint8Array): Buffer {
  const at = digestOffset(block, schema);
  const digest = digestOf(block, at, key);
  digest.copy(block, at);
  return digest;
}

/** C2 or S2 in digest form. */
function answerTo(digest: Uint8Array, key: Uint8Array, random: Random): Buffer {
  const block = random(HANDSHAKE_BYTES);
  const signed = HANDSHAKE_BYTES - DIGEST_BYTES;
  hmac(hmac(key, digest), block.subarray(0, signed)).copy(block, signed);
  return block;
}

/** C1 or S1: time, then a version or zero, then random. */
function greeting(timeMs: number, version: number, random: Random): Buffer {
  const block = random(HANDSHAKE_BYTES);
  block.writeUInt32BE(Math.floor(timeMs) >>> 0, 0);
  block.writeUInt32BE(version, 4);
  return block;
}

export interface HandshakeStep {
  /** To be sent now. */
  readonly send?: Buffer;
  /** Why it failed; the connection ends. */
  readonly fault?: Termination;
  /** Finished; these bytes already belong to the chunk stream. */
  readonly rest?: Uint8Array;
}

const failed = (reason: string, text: string): HandshakeStep => ({
  fault: { blame: 'client', reason, text },
});

/** Collects a fixed run of bytes from pieces of any size. */
class Collect {
  #have: Buffer = Buffer.alloc(0);
  /** The first `n` bytes once all are there, else undefined; the surplus stays. */
  take(n: number): Buffer | undefined {
    if (this.#have.length < n) return undefined;
    const block = this.#have.subarray(0, n);
    this.#have = this.#have.subarray(n);
    return block;
  }
  add(bytes: Uint8Array): void {
    this.#have = Buffer.concat([this.#have, bytes]);
  }
  rest(): Uint8Array {
    return this.#have;
  }
  first(): number | undefined {
    return this.#have[0];
  }
}

export class ServerHandshake {
  #waiting: 'c0c1' | 'c2' = 'c0c1';
  readonly #in = new Collect();
  readonly #random: Random;
  constructor(random: Random) {
    this.#random = random;
  }

  read(bytes: Uint8Array, nowMs: number): HandshakeStep {
    this.#in.add(bytes);
    let send: Buffer | undefined;
    if (this.#waiting === 'c0c1') {
      const version = this.#in.first();
      // §5.2.2: 0–2 are of the past, 32–255 are text protocols; 6 is the encrypted form of Flash.
      if (version !== undefined && version !== RTMP_VERSION)
        return failed(
          'rtmp-version',
          `The first byte asks for RTMP version ${version}; only version 3 is served here.`,
        );
      const block = this.#in.take(1 + HANDSHAKE_BYTES);
      if (block === undefined) return {};
      send = this.#reply(block.subarray(1), nowMs);
      this.#waiting = 'c2';
    }
    // C2 only echoes; clients differ in what they put there, so its bytes are not judged.
    const done = this.#in.take(HANDSHAKE_BYTES) !== undefined;
    return { ...(send && { send }), ...(done && { rest: this.#in.rest() }) };
  }

  #reply(c1: Buffer, nowMs: number): Buffer {
    const s0 = Buffer.from([RTMP_VERSION]);
    const found = findDigest(c1, CLIENT_NAME);
    if (found === undefined) {
      const s2 = Buffer.from(c1);
      s2.writeUInt32BE(Math.floor(nowMs) >>> 0, 4); // time2: when C1 was read
      return Buffer.concat([s0, greeting(nowMs, 0, this.#random), s2]);
    }
    const s1 = greeting(nowMs, SERVER_VERSION, this.#random);
    sign(s1, found.schema, SERVER_NAME);
    return Buffer.concat([s0, s1, answerTo(found.digest, SERVER_KEY, this.#random)]);
  }
}

export class ClientHandshake {
  readonly #in = new Collect();
  readonly #random: Random;
  readonly #schema: Schema | undefined;
  #digest: Buffer | undefined;
  /** `schema` undefined: the simple form. */
  constructor(random: Random, schema?: Schema) {
    this.#random = random;
    this.#schema = schema;
  }

  /** C0 and C1. */
  begin(nowMs: number): Buffer {
    const c1 = greeting(nowMs, this.#schema === undefined ? 0 : CLIENT_VERSION, this.#random);
    if (this.#schema !== undefined) this.#digest = sign(c1, this.#schema, CLIENT_NAME);
    return Buffer.concat([Buffer.from([RTMP_VERSION]), c1]);
  }

  read(bytes: Uint8Array, nowMs: number): HandshakeStep {
    this.#in.add(bytes);
    const version = this.#in.first();
    if (version !== undefined && version !== RTMP_VERSION)
      return failed('rtmp-version', `The server answered with RTMP version ${version}.`);
    const block = this.#in.take(1 + 2 * HANDSHAKE_BYTES);
    if (block === undefined) return {};
    const s1 = block.subarray(1, 1 + HANDSHAKE_BYTES);
    const s2 = block.subarray(1 + HANDSHAKE_BYTES);
    const found = this.#digest === undefined ? undefined : findDigest(s1, SERVER_NAME);
    if (found !== undefined && !this.#signed(s2))
      return failed('rtmp-digest', 'The server signed its handshake with a wrong digest.');
    const c2 = found === undefined ? Buffer.from(s1) : answerTo(found.digest, CLIENT_KEY, this.#random);
    if (found === undefined) c2.writeUInt32BE(Math.floor(nowMs) >>> 0, 4);
    return { send: c2, rest: this.#in.rest() };
  }

  #signed(s2: Buffer): boolean {
    const at = HANDSHAKE_BYTES - DIGEST_BYTES;
    return hmac(hmac(SERVER_KEY, this.#digest as Buffer), s2.subarray(0, at)).equals(s2.subarray(at));
  }
}
