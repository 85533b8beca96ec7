import { createHmac, timingSafeEqual } from 'node:crypto';
import { TAG_BYTES, tagOf } from '../proto/artp/relay/connection-id.ts';

/**
 * What routers say to each other, beside what they relay. Authenticated, not encrypted: it holds numbers and times only.
 * The first byte is none of RFC 7983 §7. A message names its whole way (`via`: the one router between, or 0), so it
 * cannot loop; tags are new with every start of a router, so nothing of an earlier life is taken again.
 * ```
 * | 0xF1 | kind | from (3) | to (3) | via (3) | 0 | body | MAC: HMAC-SHA256, first 16 bytes |
 * PROBE 1     | number (4) | time (4) |
 * ANSWER 2    | number (4) | time (4) of the probe | for each path: via (3), highest (4), heard (16), transit (4) |
 * BINDINGS 3  | number (4) | for each: client id (8), tag of its server (3), 1 bound or 0 no longer |
 * ```
 * `heard`: bit i of byte j is the probe `highest - 8 j - i`. `transit`: arrival less departure, each by its own clock:
 * only differences between paths mean anything. Times are 1/16 ms, 32 bits.
 */
export const CONTROL = 0xf1;
const KIND = { probe: 1, answer: 2, bindings: 3 } as const;
const HEAD_BYTES = 12;
const MAC_BYTES = 16;
/** Probes a record tells of. */
export const RECORD_PROBES = 128;
const RECORD_BYTES = TAG_BYTES + 4 + RECORD_PROBES / 8 + 4;
const BINDING_BYTES = 8 + TAG_BYTES + 1;
/** Of one message: it fits every network. */
export const MAX_ANNOUNCED = 90;
const MAX_BYTES = HEAD_BYTES + 4 + MAX_ANNOUNCED * BINDING_BYTES + MAC_BYTES;
const TICKS_PER_MS = 16;

export interface Way {
  readonly from: number;
  readonly to: number;
  /** Tag of the router between, or NO_TAG. */
  readonly via: number;
}

/** What was heard of the probes of one path. */
export interface PathRecord {
  readonly via: number;
  readonly highest: number;
  readonly heard: Uint8Array;
  /** 1/16 ms, of the newest. */
  readonly transit: number;
}

export interface Announced {
  /** 8 bytes. */
  readonly client: Uint8Array;
  readonly serverTag: number;
  readonly isBound: boolean;
}

export type ControlBody =
  | { readonly kind: 'probe'; readonly number: number; readonly time: number }
  | {
      readonly kind: 'answer';
      readonly number: number;
      readonly time: number;
      readonly records: readonly PathRecord[];
    }
  | { readonly kind: 'bindings'; readonly number: number; readonly bindings: readonly Announced[] };
export type ControlMessage = Way & { readonly body: ControlBody };

/** `nowMs` as a message carries it. */
export const wireTime = (nowMs: number): number => Math.floor(nowMs * TICKS_PER_MS) % 2 ** 32;
/** From one wire time to another, signed, ms. */
export const elapsedMs = (from: number, to: number): number => ((to - from) | 0) / TICKS_PER_MS;

/** One key for all routers of the system, made of the secret they share. */
export const controlKey = (shared: Uint8Array): Buffer =>
  createHmac('sha256', shared).update('roombridge artp routers 1').digest();

export function writeControl({ from, to, via, body }: ControlMessage, key: Uint8Array): Buffer {
  const b = Buffer.alloc(HEAD_BYTES + bodyBytes(body) + MAC_BYTES);
  b[0] = CONTROL;
  b[1] = KIND[body.kind];
  b.writeUIntBE(from, 2, TAG_BYTES);
  b.writeUIntBE(to, 5, TAG_BYTES);
  b.writeUIntBE(via, 8, TAG_BYTES);
  b.writeUInt32BE(body.number, HEAD_BYTES);
  if (body.kind === 'bindings') writeBindings(b, HEAD_BYTES + 4, body.bindings);
  else {
    b.writeUInt32BE(body.time, HEAD_BYTES + 4);
    if (body.kind === 'answer') writeRecords(b, HEAD_BYTES + 8, body.records);
  }
  b.set(mac(b, key), b.length - MAC_BYTES);
  return b;
}

function bodyBytes(body: ControlBody): number {
  if (body.kind === 'bindings') return 4 + body.bindings.length * BINDING_BYTES;
  return 8 + (body.kind === 'answer' ? body.records.length * RECORD_BYTES : 0);
}

function writeRecords(b: Buffer, at: number, records: readonly PathRecord[]): void {
  for (const { via, highest, heard, transit } of records) {
    b.writeUIntBE(via, at, TAG_BYTES);
    b.writeUInt32BE(highest, at + TAG_BYTES);
    b.set(heard, at + TAG_BYTES + 4);
    b.writeInt32BE(transit, at + RECORD_BYTES - 4);
    at += RECORD_BYTES;
  }
}

function writeBindings(b: Buffer, at: number, bindings: readonly Announced[]): void {
  for (const { client, serverTag, isBound } of bindings) {
    b.set(client, at);
    b.writeUIntBE(serverTag, at + 8, TAG_BYTES);
    b[at + 11] = isBound ? 1 : 0;
    at += BINDING_BYTES;
  }
}

/** Where a message goes, or why it is junk. Its MAC is right: one of our routers wrote it. */
export function readControl(b: Buffer, key: Uint8Array): ControlMessage | string {
  if (b.length < HEAD_BYTES + 4 + MAC_BYTES || b.length > MAX_BYTES) return 'bad-control';
  if (!timingSafeEqual(mac(b, key), b.subarray(b.length - MAC_BYTES))) return 'forged-control';
  const body = readBody(b[1] as number, b.subarray(HEAD_BYTES, b.length - MAC_BYTES));
  if (body === undefined) return 'bad-control';
  return { from: tagOf(b, 2), to: tagOf(b, 5), via: tagOf(b, 8), body };
}

function readBody(kind: number, b: Buffer): ControlBody | undefined {
  const number = b.readUInt32BE(0);
  if (kind === KIND.bindings)
    return { kind: 'bindings', number, bindings: rows(b, 4, BINDING_BYTES, readBinding) };
  if (b.length < 8) return undefined;
  const time = b.readUInt32BE(4);
  if (kind === KIND.probe) return { kind: 'probe', number, time };
  if (kind === KIND.answer)
    return { kind: 'answer', number, time, records: rows(b, 8, RECORD_BYTES, readRecord) };
  return undefined;
}

function rows<T>(b: Buffer, at: number, bytes: number, read: (row: Buffer) => T): T[] {
  const all: T[] = [];
  for (; at + bytes <= b.length; at += bytes) all.push(read(b.subarray(at, at + bytes)));
  return all;
}

const readRecord = (b: Buffer): PathRecord => ({
  via: tagOf(b, 0),
  highest: b.readUInt32BE(TAG_BYTES),
  heard: b.subarray(TAG_BYTES + 4, RECORD_BYTES - 4),
  transit: b.readInt32BE(RECORD_BYTES - 4),
});
const readBinding = (b: Buffer): Announced => ({
  client: b.subarray(0, 8),
  serverTag: tagOf(b, 8),
  isBound: b[11] === 1,
});

const mac = (b: Buffer, key: Uint8Array): Buffer =>
  createHmac('sha256', key)
    .update(b.subarray(0, b.length - MAC_BYTES))
    .digest()
    .subarray(0, MAC_BYTES);
