import { describe, expect, test } from 'vitest';
import type { MediaPacket } from '../../contract.ts';
import { PacketLog } from './packet-log.ts';

const packet = (seq: number, bytes: number, marker = false): MediaPacket => ({
  seq,
  pts: seq * 3000,
  marker,
  payload: new Uint8Array(bytes).fill(seq),
});

describe('the log of a stream', () => {
  test('finds what was put, and the same packet is there once, whoever puts it', () => {
    const log = new PacketLog();
    const first = log.put(packet(1, 100, true), 0);
    expect(log.put(packet(1, 100, true), 0)).toBe(first);
    const second = log.put(packet(2, 50), 1);
    expect([log.find(first), log.payload.length, log.payload[0], log.marker]).toEqual([true, 100, 1, true]);
    expect([log.find(second), log.payload.length, log.payload[0], log.marker]).toEqual([true, 50, 2, false]);
    expect([log.find(second + 1), log.find(-1)]).toEqual([false, false]);
  });

  test('a burst of cached pictures has the numbers of live ones, and its own payloads', () => {
    const log = new PacketLog();
    const live = log.put(packet(5, 100), 0);
    const cached = log.put({ ...packet(5, 100), pts: 1, payload: new Uint8Array(100).fill(99) }, 0);
    expect(cached).not.toBe(live);
    expect(log.find(cached) && log.payload[0]).toBe(99);
    expect(log.find(live) && log.payload[0]).toBe(5);
  });

  test('keeps a second at any bit rate up to its bound, in memory that fits the rate', () => {
    for (const [bytes, perSecond, mostMemory] of [
      [1000, 50, 140_000],
      [1200, 300, 550_000],
      [1200, 1500, 4_300_000],
    ] as const) {
      const log = new PacketLog();
      const positions: number[] = [];
      for (let i = 0; i < perSecond * 5; i++)
        positions.push(log.put(packet(i, bytes), (i * 1000) / perSecond));
      const young = positions.slice(-Math.floor(perSecond * 0.95));
      expect(young.every(p => log.find(p))).toBe(true);
      expect(log.size).toBeLessThan(mostMemory);
    }
  });
});
