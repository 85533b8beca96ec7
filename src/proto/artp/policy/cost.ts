import type { AudioPolicy } from '../media/policy-types.ts';
import { RED_PATTERNS } from '../media/red-patterns.ts';

/**
 * What a datagram costs beside its payload: IPv4 20, UDP 8, RTP 12, extensions 8 (level and pattern), tag 16, hop trailer
 * without connection id 7. The table of the design counts all but the trailer: RED of depth 5 over 60 bytes each 20 ms is
 * 6 × 60 + 5 × 4 + 1 + 64 = 445 bytes, 178 kbit/s.
 */
export const OVERHEAD_BYTES = 71;
/** Payload of a datagram: within any network's 1280 bytes. */
export const MOST_PAYLOAD = 1200;

/** RFC 2198 §3: four bytes each older block, one for the newest. 0 without redundancy. */
export const redBytes = (blocks: number, payloadBytes: number): number =>
  blocks === 0 ? payloadBytes : (blocks + 1) * payloadBytes + 4 * blocks + 1;

/** On one path, without what is sent again on request. */
export function audioBps(policy: AudioPolicy, payloadBytes: number, packetMs: number): number {
  const blocks = RED_PATTERNS[policy.pattern]!.length;
  return ((redBytes(blocks, payloadBytes) + OVERHEAD_BYTES) * policy.copies * 8000) / packetMs;
}
