/** RTMP chunk stream, sending side; header pictures in chunk-reader.ts. RTMP 1.0 §5.3. */

const EXTENDED = 0xffffff;

interface Sent {
  timestamp: number;
  length: number;
  type: number;
  streamId: number;
}

/**
 * The chunk streams we send on (§5.3.1.1: 2 is for protocol control). One for each kind of message, so that a long
 * picture never stands between the pieces of another and headers stay short.
 */
export const ChunkStreamId = { control: 2, command: 3, audio: 4, status: 5, video: 6 } as const;

export class ChunkWriter {
  /** Takes effect with the next message: send Set Chunk Size first. */
  chunkSize = 128;
  readonly #sent = new Map<number, Sent>();

  /**
   * One message as chunks in one buffer, the caller's to keep. `parts` are its body in order; `timestamp` is in
   * milliseconds, 32 bits. The header is the shortest the chunk stream's past allows.
   */
  write(
    csid: number,
    type: number,
    streamId: number,
    timestamp: number,
    ...parts: readonly Uint8Array[]
  ): Buffer {
    let length = 0;
    for (const part of parts) length += part.length;
    const fmt = this.#format(csid, type, streamId, timestamp, length);
    const last = this.#sent.get(csid);
    const time = fmt === 0 ? timestamp : timestamp - (last as Sent).timestamp;
    const extended = time >= EXTENDED;
    const more = Math.max(0, Math.ceil(length / this.chunkSize) - 1);
    const headerBytes = 1 + (fmt === 0 ? 11 : fmt === 1 ? 7 : 3) + (extended ? 4 : 0);
    const out = Buffer.allocUnsafe(headerBytes + length + more * (extended ? 5 : 1));

    let at = out.writeUInt8((fmt << 6) | csid, 0);
    at = out.writeUIntBE(extended ? EXTENDED : time, at, 3);
    if (fmt < 2) {
      at = out.writeUIntBE(length, at, 3);
      at = out.writeUInt8(type, at);
    }
    if (fmt === 0) at = out.writeUInt32LE(streamId, at);
    if (extended) at = out.writeUInt32BE(time, at);

    let room = this.chunkSize;
    for (const part of parts) {
      for (let from = 0; from < part.length; ) {
        if (room === 0) {
          at = out.writeUInt8(0xc0 | csid, at);
          if (extended) at = out.writeUInt32BE(time, at); // §5.3.1.3: repeated in every type 3 chunk
          room = this.chunkSize;
        }
        const take = Math.min(room, part.length - from);
        out.set(from === 0 && take === part.length ? part : part.subarray(from, from + take), at);
        at += take;
        from += take;
        room -= take;
      }
    }
    this.#sent.set(csid, { timestamp, length, type, streamId });
    return out;
  }

  /** Type 0 when the stream id is new or time goes back (§5.3.1.2.1), else as little as changed. */
  #format(csid: number, type: number, streamId: number, timestamp: number, length: number): 0 | 1 | 2 {
    const last = this.#sent.get(csid);
    if (last === undefined || last.streamId !== streamId || timestamp < last.timestamp) return 0;
    return last.length === length && last.type === type ? 2 : 1;
  }
}
