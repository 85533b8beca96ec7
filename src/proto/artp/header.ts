import type { FrameMark, MediaPacket } from '../../contract.ts';
import { RTP_HEADER_BYTES, writeRtpHeader } from '../rtp/rtp.ts';

/**
 * RTP header and the one-byte extensions (RFC 8285 §4.2) of an aRTP packet. They are the same on every hop, so they
 * are inside the seal (as associated data).
 * ```
 * | RTP header, 12 | 0xBEDE | 1 word | level: id 1, len 0 | V=0, level 7 | marks: id 2, len 0 | S E K C R temporal 3 |
 * ```
 * Level: RFC 6464. Marks: start, end, key frame, configuration (SPS/PPS), repair follows, temporal layer. Whatever a packet lacks is
 * left out and padded with zeros; a packet without either has no extension.
 */
export const LEVEL = 1;
export const MARKS = 2;
/** Bits of the marks. */
export const START = 0x80;
export const END = 0x40;
export const KEY = 0x20;
const CONFIG = 0x10;
/** Of the transport, not of the frame: repair packets for this one will follow (media/). */
export const REPAIRED = 0x08;
/** Sealed packets are at most this long, bytes: a 1500-byte network fragments the largest, but nothing here grows. */
export const MAX_DATAGRAM = 2048;
const MAX_HEADER_BYTES = RTP_HEADER_BYTES + 8;

/** The payload type says only the medium: the format is known from the control stream. */
export const AUDIO_TYPE = 96;
export const VIDEO_TYPE = 97;

/** Returns the length of the header, a multiple of 4. */
export function writeHeader(
  out: Uint8Array,
  p: MediaPacket,
  payloadType: number,
  seq: number,
  timestamp: number,
  ssrc: number,
): number {
  writeRtpHeader(out, payloadType, p.marker, seq, timestamp, ssrc);
  return writeElements(out, p.level ?? NONE, p.frame === undefined ? NONE : marksByte(p.frame));
}

/** In place of a level or of frame marks: the packet has none. */
export const NONE = -1;

/** Adds level and marks to the plain header in `out`; returns the length of both. */
export function writeElements(out: Uint8Array, level: number, marks: number): number {
  if (level < 0 && marks < 0) return RTP_HEADER_BYTES;
  out[0] = 0x90;
  out[12] = 0xbe;
  out[13] = 0xde;
  out[14] = 0;
  out[15] = 1;
  let at = 16;
  if (level >= 0) {
    out[at++] = LEVEL << 4;
    out[at++] = level & 0x7f;
  }
  if (marks >= 0) {
    out[at++] = MARKS << 4;
    out[at++] = marks;
  }
  while (at < MAX_HEADER_BYTES) out[at++] = 0;
  return MAX_HEADER_BYTES;
}

export const marksByte = (f: FrameMark): number =>
  (f.start ? START : 0) |
  (f.end ? END : 0) |
  (f.key ? KEY : 0) |
  (f.config ? CONFIG : 0) |
  Math.min(7, f.temporal);

/**
 * The packet handed to sinks, reused for every one: four shapes, because an absent `level` or `frame` is an absent
 * key and adding or deleting keys per packet would be slower than choosing.
 */
export class PacketShapes {
  readonly #payload = new Uint8Array(0);
  readonly #frame: FrameMark = { start: false, end: false, key: false, config: false, temporal: 0 };
  readonly #plain: MediaPacket = { seq: 0, pts: 0, marker: false, payload: this.#payload };
  readonly #level: MediaPacket & { level: number } = { ...this.#plain, level: 0 };
  readonly #marked: MediaPacket = { ...this.#plain, frame: this.#frame };
  readonly #both: MediaPacket & { level: number } = { ...this.#level, frame: this.#frame };

  /** A packet of these (NONE: without); the caller fills in the rest. */
  with(level: number, marks: number, marker: boolean): MediaPacket {
    const p = this.#shape(level, marks);
    p.marker = marker;
    if (marks >= 0) readMarks(this.#frame, marks);
    return p;
  }

  #shape(level: number, marks: number): MediaPacket {
    if (level < 0) return marks < 0 ? this.#plain : this.#marked;
    const p = marks < 0 ? this.#level : this.#both;
    p.level = level;
    return p;
  }
}

function readMarks(f: FrameMark, b: number): void {
  f.start = (b & START) !== 0;
  f.end = (b & END) !== 0;
  f.key = (b & KEY) !== 0;
  f.config = (b & CONFIG) !== 0;
  f.temporal = b & 7;
}
