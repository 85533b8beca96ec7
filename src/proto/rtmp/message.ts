/** RTMP messages: what the chunk stream carries. Adobe "RTMP Specification 1.0" (2012) §5.4, §6, §7.1. */

export const MessageType = {
  setChunkSize: 1,
  abort: 2,
  acknowledgement: 3,
  userControl: 4,
  windowAckSize: 5,
  setPeerBandwidth: 6,
  audio: 8,
  video: 9,
  dataAmf3: 15,
  sharedObjectAmf3: 16,
  commandAmf3: 17,
  data: 18,
  sharedObject: 19,
  command: 20,
  aggregate: 22,
} as const;

/** `payload` is the receiver's to keep: the reader allocates it per message. */
export interface Message {
  readonly type: number;
  readonly streamId: number;
  /** Milliseconds, 32 bits, wraps after 49.7 days (§5.3.1.3). */
  readonly timestamp: number;
  readonly payload: Uint8Array;
}

/** User control events, §7.1.7: two bytes of type, then four-byte fields. */
export const UserControl = {
  streamBegin: 0,
  streamEof: 1,
  streamDry: 2,
  setBufferLength: 3,
  streamIsRecorded: 4,
  pingRequest: 6,
  pingResponse: 7,
} as const;

export function userControl(event: number, ...fields: readonly number[]): Buffer {
  const b = Buffer.alloc(2 + 4 * fields.length);
  b.writeUInt16BE(event);
  fields.forEach((field, i) => void b.writeUInt32BE(field >>> 0, 2 + 4 * i));
  return b;
}

export function u32(value: number): Buffer {
  const b = Buffer.alloc(4);
  b.writeUInt32BE(value >>> 0);
  return b;
}

export const readU32 = (b: Uint8Array, at: number): number =>
  (b[at] as number) * 0x1000000 + readU24(b, at + 1);

export const readU24 = (b: Uint8Array, at: number): number =>
  ((b[at] as number) << 16) | ((b[at + 1] as number) << 8) | (b[at + 2] as number);

/**
 * The messages inside an aggregate (§7.1.6): FLV tags one after another, each followed by its own length.
 * Times are moved so that the first has the time of the aggregate.
 * ```
 * type 1 | size 3 | time 3 | time, high byte 1 | stream 3 | body (size) | back pointer 4
 * ```
 * Returns false when the aggregate is malformed; what stood before the fault was delivered.
 */
export function eachOfAggregate(m: Message, on: (inner: Message) => void): boolean {
  const b = m.payload;
  let at = 0;
  let first: number | undefined;
  while (at < b.length) {
    if (at + 11 > b.length) return false;
    const size = readU24(b, at + 1);
    const end = at + 11 + size;
    if (end + 4 > b.length) return false;
    const time = readU24(b, at + 4) + (b[at + 7] as number) * 0x1000000;
    first ??= time;
    on({
      type: b[at] as number,
      streamId: m.streamId,
      timestamp: (m.timestamp + time - first) >>> 0,
      payload: b.subarray(at + 11, end),
    });
    at = end + 4;
  }
  return true;
}
