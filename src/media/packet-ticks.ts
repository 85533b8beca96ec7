import type { CodecName } from '../contract.ts';

/** Milliseconds of one opus frame by TOC configuration (RFC 6716 §3.1, table 2). */
const OPUS_FRAME_MS = [
  10, 20, 40, 60, 10, 20, 40, 60, 10, 20, 40, 60, 10, 20, 10, 20, 2.5, 5, 10, 20, 2.5, 5, 10, 20, 2.5, 5, 10,
  20, 2.5, 5, 10, 20,
];
/** RFC 6716 §3.2.5: a packet holds at most 120 ms. */
const OPUS_LONGEST_TICKS = 120 * 48;
/** More than any phone sends in one packet: 240 ms. */
const G711_LONGEST_TICKS = 240 * 8;

/** How long the sound of an RTP payload is, in ticks of its RTP clock; 0 for what is no packet of this codec. */
export function packetTicks(codec: CodecName, payload: Uint8Array): number {
  switch (codec) {
    case 'PCMU':
    case 'PCMA':
    case 'G722': // RFC 3551 §4.5.2: 8 kHz clock, one octet a tick
      return payload.length <= G711_LONGEST_TICKS ? payload.length : 0;
    case 'opus':
      return opusTicks(payload);
    case 'AAC':
      return payload.length > 0 ? 1024 : 0;
    default:
      return 0;
  }
}

/** RFC 6716 §3.1: the first byte tells frame length and how many frames follow. */
function opusTicks(payload: Uint8Array): number {
  const toc = payload[0];
  if (toc === undefined) return 0;
  const code = toc & 3;
  const frames = code === 0 ? 1 : code < 3 ? 2 : (payload[1] ?? 0) & 63;
  const ticks = frames * (OPUS_FRAME_MS[toc >> 3] as number) * 48;
  return ticks <= OPUS_LONGEST_TICKS ? ticks : 0;
}
