import { expect, it } from 'vitest';
import { packetTicks } from './packet-ticks.ts';

it.each([
  ['PCMU', new Uint8Array(160), 160],
  ['PCMA', new Uint8Array(80), 80],
  ['G722', new Uint8Array(160), 160],
  ['PCMU', new Uint8Array(0), 0],
  ['PCMU', new Uint8Array(5000), 0],
  ['AAC', new Uint8Array(9), 1024],
  ['AAC', new Uint8Array(0), 0],
  ['H264', new Uint8Array(9), 0],
] as const)('%s', (codec, payload, ticks) => expect(packetTicks(codec, payload)).toBe(ticks));

// RFC 6716 §3.1, table 2, and §3.2: configuration in the high 5 bits, code in the low 2.
it.each([
  ['SILK wideband 20 ms', [9 << 3], 960],
  ['SILK narrowband 60 ms', [3 << 3], 2880],
  ['hybrid 10 ms', [14 << 3], 480],
  ['CELT 2.5 ms', [16 << 3], 120],
  ['two frames', [(31 << 3) | 1], 1920],
  ['two frames of their own length', [(31 << 3) | 2], 1920],
  ['six of 20 ms', [(31 << 3) | 3, 6], 5760],
  ['seven of 20 ms: more than 120 ms', [(31 << 3) | 3, 7], 0],
  ['a count of none', [(31 << 3) | 3, 0], 0],
  ['no count', [(31 << 3) | 3], 0],
  ['nothing', [], 0],
] as const)('opus: %s', (_, bytes, ticks) => expect(packetTicks('opus', Uint8Array.from(bytes))).toBe(ticks));
