import { expect, test } from 'vitest';
import type { MediaPacket } from '../contract.ts';
import { Restamp } from './restamp.ts';

const packet = (seq: number, pts: number): MediaPacket => ({
  seq,
  pts,
  marker: false,
  payload: new Uint8Array(0),
});

const line = () => {
  const r = new Restamp({ clockRate: 8000, seq: 100, timestamp: 5000 });
  return {
    restamp: r,
    map(p: MediaPacket, now: number) {
      r.map(p, now);
      return [r.seq, r.timestamp, r.begins];
    },
  };
};

test('begins at the given numbers and follows its source', () => {
  const { map } = line();
  expect(map(packet(7000, 90_000), 0)).toEqual([100, 5000, true]);
  expect(map(packet(7001, 90_160), 20)).toEqual([101, 5160, false]);
  expect(map(packet(7005, 90_800), 100)).toEqual([105, 5800, false]); // loss stays visible
});

test('another source goes on where the last one ended, after the time that passed', () => {
  const { map, restamp } = line();
  map(packet(7000, 90_000), 0);
  map(packet(7001, 90_160), 20);
  restamp.restart();
  expect(map(packet(3, 17), 1020)).toEqual([102, 5160 + 8000, true]);
  expect(map(packet(4, 177), 1040)).toEqual([103, 5320 + 8000, false]);
});

test('two sources within the same millisecond still get different timestamps', () => {
  const { map, restamp } = line();
  map(packet(1, 1), 0);
  restamp.restart();
  expect(map(packet(900, 0), 0)).toEqual([101, 5001, true]);
});

test('a change of clock rate counts the time that passed in the new rate', () => {
  const { map, restamp } = line();
  map(packet(1, 0), 0);
  restamp.restart(48_000);
  expect(map(packet(1, 0), 20)).toEqual([101, 5960, true]);
  expect(map(packet(2, 960), 40)).toEqual([102, 6920, false]);
});

test('a late packet keeps its own place and moves nothing', () => {
  const { map } = line();
  map(packet(10, 0), 0);
  map(packet(12, 320), 40);
  expect(map(packet(11, 160), 41)).toEqual([101, 5160, false]);
  expect(map(packet(13, 480), 60)).toEqual([103, 5480, false]);
});

test('leaps of the source become a new beginning', () => {
  const { map } = line();
  map(packet(10, 1_000_000), 0);
  expect(map(packet(20_000, 1_000_160), 20)).toEqual([101, 5160, true]);
  expect(map(packet(20_001, 900_000), 40)).toEqual([102, 5320, true]); // a newer packet of an older clock
  expect(map(packet(20_002, 9_000_000), 60)).toEqual([103, 5480, true]);
});
