/**
 * The control stream: messages behind their length, big endian. A length of 0 is a ping.
 * ```
 * | length (4) | JSON, UTF-8 |
 * ```
 */
export const PING = Buffer.alloc(4);

/** Undefined when the message is longer than `limitBytes`. */
export function writeFrame(message: unknown, limitBytes: number): Buffer | undefined {
  const text = JSON.stringify(message);
  const bytes = Buffer.byteLength(text);
  if (bytes > limitBytes) return undefined;
  const frame = Buffer.allocUnsafe(4 + bytes);
  frame.writeUInt32BE(bytes);
  frame.write(text, 4);
  return frame;
}

export type FrameJunk = 'frame-too-large' | 'not-json';

/** Cuts a byte stream into messages. After junk it stays silent: the stream is to be closed. */
export class FrameReader {
  /** Bytes; may be raised once the other side is known. */
  limitBytes: number;
  readonly #on: (message: unknown) => void;
  readonly #length = Buffer.alloc(4);
  #lengthHas = 0;
  #body: Buffer | undefined;
  #bodyHas = 0;
  #junk: FrameJunk | undefined;

  constructor(limitBytes: number, on: (message: unknown) => void) {
    this.limitBytes = limitBytes;
    this.#on = on;
  }

  /** Calls `on` for every message completed; returns why the stream is junk. */
  push(chunk: Uint8Array): FrameJunk | undefined {
    for (let at = 0; at < chunk.length && this.#junk === undefined; )
      at += this.#body === undefined ? this.#takeLength(chunk, at) : this.#takeBody(this.#body, chunk, at);
    return this.#junk;
  }

  #takeLength(chunk: Uint8Array, at: number): number {
    this.#length[this.#lengthHas++] = chunk[at] as number;
    if (this.#lengthHas < 4) return 1;
    this.#lengthHas = 0;
    const bytes = this.#length.readUInt32BE(0);
    if (bytes > this.limitBytes) this.#junk = 'frame-too-large';
    else if (bytes > 0) this.#body = Buffer.allocUnsafe(bytes);
    this.#bodyHas = 0;
    return 1;
  }

  #takeBody(body: Buffer, chunk: Uint8Array, at: number): number {
    const take = Math.min(body.length - this.#bodyHas, chunk.length - at);
    body.set(chunk.subarray(at, at + take), this.#bodyHas);
    this.#bodyHas += take;
    if (this.#bodyHas < body.length) return take;
    this.#body = undefined;
    let message: unknown;
    try {
      message = JSON.parse(body.toString('utf8'));
    } catch {
      this.#junk = 'not-json';
      return take;
    }
    this.#on(message);
    return take;
  }
}
