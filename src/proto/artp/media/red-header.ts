import { RTP_HEADER_BYTES, type RtpView, writeRtpHeader } from '../../rtp/rtp.ts';
import { LEVEL } from '../header.ts';
import { MAX_BLOCKS } from './red-patterns.ts';

/** Payload type of a packet that carries earlier ones again; its blocks and its primary are of type AUDIO_TYPE. */
export const RED_TYPE = 98;
const PATTERN = 3;
export const MAX_RED_HEADER_BYTES = RTP_HEADER_BYTES + 4 + 12;

/**
 * What RFC 2198 has no place for: which packets the blocks are (the index of their pattern), their levels and markers.
 * ```
 * | RTP header, PT 98 | 0xBEDE | words | 1, len 0 | level | 3, len n | pattern | M, level 7 | × n blocks | 0… |
 * ```
 * `blocks[i]` is marker and level of block i, in the order of the payload. Returns the length, a multiple of 4.
 */
export function writeRedHeader(
  out: Uint8Array,
  marker: boolean,
  level: number,
  pattern: number,
  blocks: Uint8Array,
  count: number,
  seq: number,
  timestamp: number,
  ssrc: number,
): number {
  writeRtpHeader(out, RED_TYPE, marker, seq, timestamp, ssrc);
  out[0] = 0x90;
  out[12] = 0xbe;
  out[13] = 0xde;
  out[14] = 0;
  let at = 16;
  if (level >= 0) {
    out[at++] = LEVEL << 4;
    out[at++] = level;
  }
  out[at++] = (PATTERN << 4) | count;
  out[at++] = pattern;
  for (let i = 0; i < count; i++) out[at++] = blocks[i] as number;
  while ((at & 3) !== 0) out[at++] = 0;
  out[15] = (at - 16) >>> 2;
  return at;
}

/** Offset of the pattern index in a packet with `blocks` blocks; their marker and level bytes follow. −1: not there. */
export function redPatternAt(view: RtpView, blocks: number): number {
  const at = view.extension(PATTERN);
  if (at < 0 || blocks > MAX_BLOCKS) return -1;
  return ((view.bytes[at - 1] as number) & 15) === blocks ? at : -1;
}
