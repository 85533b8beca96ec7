/**
 * Packets on a TLS connection: each behind its length (RFC 4571 §2).
 * ```
 * | length (2) | a datagram as on UDP (sealed packet, trailer), or JSON (HELLO and its answer) |
 * ```
 * A WebSocket needs none: one message each.
 */
const LENGTH_BYTES = 2;

/** A copy of the first `length` bytes of `datagram`, behind their length. */
export function writeFramed(datagram: Uint8Array, length: number): Buffer {
  const out = Buffer.allocUnsafe(LENGTH_BYTES + length);
  out.writeUInt16BE(length);
  out.set(length === datagram.length ? datagram : datagram.subarray(0, length), LENGTH_BYTES);
  return out;
}

/** Cuts a byte stream into frames. */
export class FramedReader {
  readonly #limitBytes: number;
  readonly #on: (frame: Buffer) => void;
  #rest: Buffer | undefined;

  /** `on` borrows its frame for the length of the call. */
  constructor(limitBytes: number, on: (frame: Buffer) => void) {
    this.#limitBytes = limitBytes;
    this.#on = on;
  }

  /** False when a frame is longer than the limit: the stream is to be closed. */
  push(chunk: Buffer): boolean {
    const bytes = this.#rest === undefined ? chunk : Buffer.concat([this.#rest, chunk]);
    let at = 0;
    for (;;) {
      if (at + LENGTH_BYTES > bytes.length) break;
      const length = bytes.readUInt16BE(at);
      if (length > this.#limitBytes) return false;
      const end = at + LENGTH_BYTES + length;
      if (end > bytes.length) break;
      if (length > 0) this.#on(bytes.subarray(at + LENGTH_BYTES, end));
      at = end;
    }
    this.#rest = at === bytes.length ? undefined : Buffer.from(bytes.subarray(at));
    return true;
  }
}
