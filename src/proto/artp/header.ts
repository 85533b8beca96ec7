import type { FrameMark, MediaPacket } from '../../contract.ts';
import { RTP_HEADER_BYTES, type RtpView, writeRtpHeader } from '../rtp/rtp.ts';

/**
 * RTP header and the one-byte extensions (RFC 8285 §4.2) of an aRTP packet. They are the same on every hop, so they
 * are inside the seal (as associated data).
 * ```
 * | RTP header, 12 | 0xBEDE | 1 word | level: id 1, len 0 | V=0, level 7 | marks: id 2, len 0 | S E K C 0 temporal 3 |
 * ```
 * Level: RFC 6464. Marks: start, end, key frame, configuration (SPS/PPS), temporal layer. Whatever a packet lacks is
 * left out and padded with zeros; a packet without either has no extension.
 */
const LEVEL = 1;
const MARKS = 2;
export const MAX_HEADER_BYTES = RTP_HEADER_BYTES + 8;

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
  if (p.level === undefined && p.frame === undefined) return RTP_HEADER_BYTES;
  out[0] = 0x90;
  out[12] = 0xbe;
  out[13] = 0xde;
  out[14] = 0;
  out[15] = 1;
  let at = 16;
  if (p.level !== undefined) {
    out[at++] = LEVEL << 4;
    out[at++] = p.level & 0x7f;
  }
  if (p.frame !== undefined) {
    out[at++] = MARKS << 4;
    out[at++] = marksByte(p.frame);
  }
  while (at < MAX_HEADER_BYTES) out[at++] = 0;
  return MAX_HEADER_BYTES;
}

const marksByte = (f: FrameMark): number =>
  (f.start ? 0x80 : 0) |
  (f.end ? 0x40 : 0) |
  (f.key ? 0x20 : 0) |
  (f.config ? 0x10 : 0) |
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

  /** Level, frame marks and marker of `view`; the caller fills in the rest. */
  of(view: RtpView): MediaPacket {
    const levelAt = view.extension(LEVEL);
    const marksAt = view.extension(MARKS);
    const p = this.#shape(levelAt, marksAt, view.bytes);
    p.marker = view.marker;
    if (marksAt >= 0) readMarks(this.#frame, view.bytes[marksAt] as number);
    return p;
  }

  #shape(levelAt: number, marksAt: number, bytes: Uint8Array): MediaPacket {
    if (levelAt < 0) return marksAt < 0 ? this.#plain : this.#marked;
    const p = marksAt < 0 ? this.#level : this.#both;
    p.level = (bytes[levelAt] as number) & 0x7f;
    return p;
  }
}

function readMarks(f: FrameMark, b: number): void {
  f.start = (b & 0x80) !== 0;
  f.end = (b & 0x40) !== 0;
  f.key = (b & 0x20) !== 0;
  f.config = (b & 0x10) !== 0;
  f.temporal = b & 7;
}
