/**
 * The hop trailer: behind the seal, rewritten by every hop, trusted for nothing but lookup, path choice and rate.
 * ```
 *  … sealed packet, 16-byte tag | connection id (8) | path (1) | path sequence (2) | send time (3) | V 3, length 5 (1) |
 * ```
 * Read from the end: the last byte says version (1) and length (15, itself included). The connection id is random,
 * chosen by the receiver. Send time: 24 bits of 2^-18 s, wraps after 64 s (as abs-send-time).
 */
export const TRAILER_BYTES = 15;
export const CONNECTION_BYTES = 8;
const VERSION = 1;
const LAST_BYTE = (VERSION << 5) | TRAILER_BYTES;

/** Writes at `at`; returns the end. */
export function writeTrailer(
  out: Uint8Array,
  at: number,
  connection: Uint8Array,
  path: number,
  sequence: number,
  nowMs: number,
): number {
  for (let i = 0; i < CONNECTION_BYTES; i++) out[at + i] = connection[i] as number;
  const time = Math.floor(nowMs * 262.144) % 0x1000000;
  out[at + 8] = path;
  out[at + 9] = (sequence >>> 8) & 255;
  out[at + 10] = sequence & 255;
  out[at + 11] = time >>> 16;
  out[at + 12] = (time >>> 8) & 255;
  out[at + 13] = time & 255;
  out[at + 14] = LAST_BYTE;
  return at + TRAILER_BYTES;
}

export type TrailerJunk = 'short' | 'not-rtp' | 'cleartext';

/** Reused for every datagram: `read` overwrites all fields. */
export class TrailerView {
  path = 0;
  sequence = 0;
  /** 2^-18 s, 24 bits. */
  sendTime = 0;
  /** Where the sealed packet ends and the connection id starts. */
  start = 0;

  /**
   * Returns the reason when `b` is junk. What looks like RTP but ends without our trailer is what a plain RTP sender
   * would send: `cleartext`.
   */
  read(b: Uint8Array): TrailerJunk | undefined {
    const n = b.length;
    if (n < 8 + TRAILER_BYTES) return 'short';
    // RFC 7983 §7: RTP and RTCP start with 128–191, so STUN and DTLS can share the port.
    if ((b[0] as number) >> 6 !== 2) return 'not-rtp';
    if (b[n - 1] !== LAST_BYTE) return 'cleartext';
    const at = n - TRAILER_BYTES;
    this.start = at;
    this.path = b[at + 8] as number;
    this.sequence = ((b[at + 9] as number) << 8) | (b[at + 10] as number);
    this.sendTime = ((b[at + 11] as number) << 16) | ((b[at + 12] as number) << 8) | (b[at + 13] as number);
    return undefined;
  }
}

/** The first 48 bits of a connection id as a number: a map key that costs no allocation. */
export const connectionKey = (b: Uint8Array, at: number): number =>
  ((((b[at] as number) << 16) | ((b[at + 1] as number) << 8) | (b[at + 2] as number)) >>> 0) * 0x1000000 +
  (((b[at + 3] as number) << 16) | ((b[at + 4] as number) << 8) | (b[at + 5] as number));

/** True when all 8 bytes at `at` are those of `connection`. */
export function isConnection(b: Uint8Array, at: number, connection: Uint8Array): boolean {
  for (let i = 0; i < CONNECTION_BYTES; i++) if (b[at + i] !== connection[i]) return false;
  return true;
}
