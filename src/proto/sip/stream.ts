import { MAX_HEAD_BYTES } from './parse.ts';

const MAX_BODY_BYTES = 65_535;
const LENGTH = /\r\n(?:content-length|l)[ \t]*:\s*(\d+)[ \t]*(?=\r\n|$)/i;

/**
 * Cuts a byte stream into messages by Content-Length (RFC 3261 §18.3). Feed with `push`, then take until undefined.
 * Once `error` is set nothing more comes out: the boundary of the next message is lost and the connection is of no use.
 */
export class SipSplitter {
  #bytes = Buffer.allocUnsafe(4096);
  #start = 0;
  #end = 0;
  /** Where the search for the end of headers goes on, so that a slow sender costs no second look. */
  #searched = 0;
  #needed = 0;
  /** Double CRLFs of ours that were not answered yet. */
  #pings = 0;
  error: string | undefined;

  push(chunk: Uint8Array): void {
    if (this.#end + chunk.length > this.#bytes.length) this.#makeRoom(chunk.length);
    this.#bytes.set(chunk, this.#end);
    this.#end += chunk.length;
  }

  /** True while part of a message waits for the rest. */
  get partial(): boolean {
    for (let i = this.#start; i < this.#end; i++)
      if (this.#bytes[i] !== 13 && this.#bytes[i] !== 10) return true;
    return false; // a line end may be the first half of a keep-alive, or the answer to ours
  }

  /** We sent a double CRLF: the next single one is its answer, not half of a ping. */
  pinged(): void {
    this.#pings++;
  }

  /** A whole message (a copy), `'ping'` for a double CRLF between messages (RFC 5626 §3.5.1), `'pong'` for the answer to ours, or undefined. */
  take(): Buffer | 'ping' | 'pong' | undefined {
    if (this.error !== undefined) return undefined;
    if (this.#needed === 0) {
      if (this.#pings > 0 && this.#startsBlank()) {
        this.#pings--;
        this.#pass(2);
        return 'pong';
      }
      if (this.#skipBlank()) return 'ping';
      if (!this.#readHead()) return undefined;
    }
    if (this.#end - this.#start < this.#needed) return undefined;
    const message = Buffer.from(this.#bytes.subarray(this.#start, this.#start + this.#needed));
    this.#start += this.#needed;
    this.#needed = 0;
    this.#searched = this.#start;
    if (this.#start === this.#end) this.#start = this.#end = this.#searched = 0;
    return message;
  }

  /** Passes over CRLFs before a start line; true for a keep-alive, which is two of them. */
  #skipBlank(): boolean {
    const b = this.#bytes;
    while (this.#startsBlank()) {
      const pair = this.#end - this.#start >= 4 && b[this.#start + 2] === 13 && b[this.#start + 3] === 10;
      if (!pair && this.#end - this.#start < 4) return false; // perhaps the first half of a ping
      this.#pass(pair ? 4 : 2);
      if (pair) return true;
    }
    return false;
  }

  #startsBlank(): boolean {
    const at = this.#start;
    return this.#end - at >= 2 && this.#bytes[at] === 13 && this.#bytes[at + 1] === 10;
  }

  #pass(bytes: number): void {
    this.#start += bytes;
    this.#searched = this.#start;
  }

  /** Finds the end of headers and from it the length of the message. */
  #readHead(): boolean {
    const from = Math.max(this.#start, this.#searched - 3);
    const at = this.#bytes.subarray(0, this.#end).indexOf('\r\n\r\n', from, 'latin1');
    if (at < 0) {
      this.#searched = this.#end;
      if (this.#end - this.#start > MAX_HEAD_BYTES) this.error = 'header too large';
      return false;
    }
    const headBytes = at + 4 - this.#start;
    if (headBytes > MAX_HEAD_BYTES) this.error = 'header too large';
    const m = LENGTH.exec(this.#bytes.toString('latin1', this.#start, at));
    // §20.14: over stream transports Content-Length MUST be used.
    if (m === null) this.error ??= 'no Content-Length on a stream';
    else if (Number(m[1]) > MAX_BODY_BYTES) this.error ??= 'body too large';
    if (this.error !== undefined) return false;
    this.#needed = headBytes + Number((m as RegExpExecArray)[1]);
    return true;
  }

  #makeRoom(more: number): void {
    const held = this.#end - this.#start;
    let size = this.#bytes.length;
    while (size < held + more) size *= 2;
    const roomier = size === this.#bytes.length ? this.#bytes : Buffer.allocUnsafe(size);
    this.#bytes.copy(roomier, 0, this.#start, this.#end);
    this.#bytes = roomier;
    this.#searched -= this.#start;
    this.#start = 0;
    this.#end = held;
  }
}
