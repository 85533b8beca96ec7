/**
 * RTP header as a view over borrowed bytes. RFC 3550 §5.1, extensions RFC 8285.
 * ```
 *  0                   1                   2                   3
 *  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 * |V=2|P|X|  CC   |M|     PT      |       sequence number         |
 * |                           timestamp                           |
 * |                             SSRC                              |
 * |                       CSRC × CC  (optional)                   |
 * |      0xBEDE (one-byte ext.)   |        length in words        |  if X
 * ```
 */
export const RTP_HEADER_BYTES = 12;

/** Reused for every packet: `read` overwrites all fields. */
export class RtpView {
  bytes: Uint8Array = new Uint8Array(0);
  marker = false;
  payloadType = 0;
  seq = 0;
  timestamp = 0;
  ssrc = 0;
  /** Offset of the payload; the end excludes padding. */
  payloadStart = 0;
  payloadEnd = 0;
  /** Offset of the extension elements and their end; equal when there are none. */
  extensionStart = 0;
  extensionEnd = 0;
  /** 0xBEDE (one-byte), 0x1000–0x100f (two-byte) or 0. */
  extensionProfile = 0;

  /** Reads `b`; returns the reason when it is junk, undefined when it is well-formed. Never throws. */
  read(b: Uint8Array): RtpJunk | undefined {
    const n = b.length;
    if (n < RTP_HEADER_BYTES) return 'short';
    const b0 = b[0] as number;
    if (b0 >> 6 !== 2) return 'version';
    const b1 = b[1] as number;
    this.bytes = b;
    this.marker = (b1 & 0x80) !== 0;
    this.payloadType = b1 & 0x7f;
    this.seq = ((b[2] as number) << 8) | (b[3] as number);
    this.timestamp = readU32(b, 4);
    this.ssrc = readU32(b, 8);
    let at = RTP_HEADER_BYTES + (b0 & 15) * 4;
    this.extensionProfile = 0;
    this.extensionStart = this.extensionEnd = at;
    if (b0 & 0x10) {
      if (at + 4 > n) return 'extension';
      this.extensionProfile = ((b[at] as number) << 8) | (b[at + 1] as number);
      const words = ((b[at + 2] as number) << 8) | (b[at + 3] as number);
      this.extensionStart = at + 4;
      at += 4 + words * 4;
      this.extensionEnd = at;
    }
    if (at > n) return 'short';
    let end = n;
    if (b0 & 0x20) {
      const padding = b[n - 1] as number;
      if (padding === 0 || at + padding > n) return 'padding';
      end = n - padding;
    }
    this.payloadStart = at;
    this.payloadEnd = end;
    return undefined;
  }

  payload(): Uint8Array {
    return this.bytes.subarray(this.payloadStart, this.payloadEnd);
  }

  /** Offset of the first byte of header extension `id`, or -1. */
  extension(id: number): number {
    if (this.extensionProfile === 0xbede) return this.#oneByte(id);
    if ((this.extensionProfile & 0xfff0) === 0x1000) return this.#twoByte(id);
    return -1;
  }

  /** RFC 8285 §4.2: 4-bit id, 4-bit length − 1; 0 is padding, 15 stops. */
  #oneByte(id: number): number {
    const b = this.bytes;
    for (let at = this.extensionStart; at < this.extensionEnd; ) {
      const head = b[at] as number;
      if (head === 0) {
        at++;
        continue;
      }
      if (head >> 4 === 15) return -1;
      const length = (head & 15) + 1;
      if (at + 1 + length > this.extensionEnd) return -1;
      if (head >> 4 === id) return at + 1;
      at += 1 + length;
    }
    return -1;
  }

  /** RFC 8285 §4.3: id byte, length byte; 0 is padding. An element of length 0 has nothing to read. */
  #twoByte(id: number): number {
    const b = this.bytes;
    for (let at = this.extensionStart; at < this.extensionEnd; ) {
      const found = b[at] as number;
      if (found === 0) {
        at++;
        continue;
      }
      if (at + 2 > this.extensionEnd) return -1;
      const length = b[at + 1] as number;
      if (at + 2 + length > this.extensionEnd) return -1;
      if (found === id && length > 0) return at + 2;
      at += 2 + length;
    }
    return -1;
  }
}

export type RtpJunk = 'short' | 'version' | 'extension' | 'padding';

/** Writes a plain 12-byte header without extensions; returns RTP_HEADER_BYTES. Values are taken modulo their width. */
export function writeRtpHeader(
  out: Uint8Array,
  payloadType: number,
  marker: boolean,
  seq: number,
  timestamp: number,
  ssrc: number,
): number {
  out[0] = 0x80;
  out[1] = payloadType | (marker ? 0x80 : 0);
  out[2] = (seq >>> 8) & 255;
  out[3] = seq & 255;
  writeU32(out, 4, timestamp);
  writeU32(out, 8, ssrc);
  return RTP_HEADER_BYTES;
}

/** RFC 5761 §4: on a shared port, payload types 64–95 with the marker read as RTCP (packet types 192–223). */
export const isRtcp = (b: Uint8Array): boolean =>
  b.length >= 8 && (b[0] as number) >> 6 === 2 && (b[1] as number) >= 192 && (b[1] as number) <= 223;

const readU32 = (b: Uint8Array, at: number): number =>
  (b[at] as number) * 0x1000000 +
  (((b[at + 1] as number) << 16) | ((b[at + 2] as number) << 8) | (b[at + 3] as number));

/** `value` may exceed 32 bits (extended counters): the low 32 are written. */
function writeU32(out: Uint8Array, at: number, value: number): void {
  const low = value % 0x100000000;
  out[at] = (low / 0x1000000) & 255;
  out[at + 1] = (low >>> 16) & 255;
  out[at + 2] = (low >>> 8) & 255;
  out[at + 3] = low & 255;
}
