/**
 * The hop trailer: behind the seal, rewritten by every hop, trusted for nothing but lookup, path choice and rate.
 * ```
 *  … sealed packet, 16-byte tag | connection id (8) | path (1) | path sequence (2) | send time (3) | V 3, length 5 (1) |
 *  … sealed packet, 16-byte tag |                     path (1) | path sequence (2) | send time (3) | V 3, length 5 (1) |
 * ```
 * Read from the end: the last byte says version (1) and length (15 or 7, itself included). The connection id is
 * random, chosen by the receiver; the address says as much once the receiver knows it, and the id is left out.
 * Path: hops so far (2 bits), and the sender's number of the path (6). Send time: 24 bits of 2^-18 s, wraps after
 * 64 s (as abs-send-time).
 */
export const TRAILER_BYTES = 15;
export const SHORT_TRAILER_BYTES = 7;
export const CONNECTION_BYTES = 8;
const VERSION = 1;
const LAST_BYTE = (VERSION << 5) | TRAILER_BYTES;
const SHORT_LAST_BYTE = (VERSION << 5) | SHORT_TRAILER_BYTES;

/** Writes at `at`; returns the end. Without a connection it is the short one. */
export function writeTrailer(
  out: Uint8Array,
  at: number,
  connection: Uint8Array | undefined,
  path: number,
  sequence: number,
  nowMs: number,
): number {
  if (connection !== undefined)
    for (let i = 0; i < CONNECTION_BYTES; i++) out[at++] = connection[i] as number;
  const time = Math.floor(nowMs * 262.144) % 0x1000000;
  out[at] = path;
  out[at + 1] = (sequence >>> 8) & 255;
  out[at + 2] = sequence & 255;
  out[at + 3] = time >>> 16;
  out[at + 4] = (time >>> 8) & 255;
  out[at + 5] = time & 255;
  out[at + 6] = connection === undefined ? SHORT_LAST_BYTE : LAST_BYTE;
  return at + SHORT_TRAILER_BYTES;
}

export type TrailerJunk = 'short' | 'not-rtp' | 'cleartext';

/** Reused for every datagram: `read` overwrites all fields. */
export class TrailerView {
  /** 0 to 63. */
  path = 0;
  /** Routers this datagram has passed, 0 to 3: the path byte's top two bits, counted up by relays. */
  hops = 0;
  sequence = 0;
  /** 2^-18 s, 24 bits. */
  sendTime = 0;
  /** Where the sealed packet ends and the trailer starts: with the connection id, if there is one. */
  start = 0;
  hasConnection = false;

  /**
   * Returns the reason when `b` is junk. What looks like RTP but ends without our trailer is what a plain RTP sender
   * would send: `cleartext`.
   */
  read(b: Uint8Array): TrailerJunk | undefined {
    const n = b.length;
    if (n < 8 + SHORT_TRAILER_BYTES) return 'short';
    // RFC 7983 §7: RTP and RTCP start with 128–191, so STUN and DTLS can share the port.
    if ((b[0] as number) >> 6 !== 2) return 'not-rtp';
    const last = b[n - 1];
    if (last !== LAST_BYTE && last !== SHORT_LAST_BYTE) return 'cleartext';
    this.hasConnection = last === LAST_BYTE;
    if (this.hasConnection && n < 8 + TRAILER_BYTES) return 'short';
    const at = n - SHORT_TRAILER_BYTES;
    this.start = this.hasConnection ? at - CONNECTION_BYTES : at;
    this.path = (b[at] as number) & 63;
    this.hops = (b[at] as number) >> 6;
    this.sequence = ((b[at + 1] as number) << 8) | (b[at + 2] as number);
    this.sendTime = ((b[at + 3] as number) << 16) | ((b[at + 4] as number) << 8) | (b[at + 5] as number);
    return undefined;
  }
}

/** The first 48 bits of a connection id as a number: a map key that costs no allocation. */
export const connectionKey = (b: Uint8Array, at: number): number =>
  ((((b[at] as number) << 16) | ((b[at + 1] as number) << 8) | (b[at + 2] as number)) >>> 0) * 0x1000000 +
  (((b[at + 3] as number) << 16) | ((b[at + 4] as number) << 8) | (b[at + 5] as number));

/** True when all 8 bytes at `at` are those of `connection`; never of a short trailer, which ends before. */
export function isConnection(b: Uint8Array, at: number, connection: Uint8Array): boolean {
  for (let i = 0; i < CONNECTION_BYTES; i++) if (b[at + i] !== connection[i]) return false;
  return true;
}
