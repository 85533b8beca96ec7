import fc from 'fast-check';
import { expect, it } from 'vitest';
import { History, KEPT_MS } from './history.ts';

const bytes = (seq: number, length: number): Uint8Array => new Uint8Array(length).fill(seq & 255);
const put = (h: History, seq: number, length: number, now: number, flow = 1): void =>
  h.put(flow, seq & 0xffff, seq * 160, 10, -1, false, bytes(seq, length), now);
const has = (h: History, seq: number, length: number, flow = 1): boolean => {
  const at = h.find(flow, seq & 0xffff);
  if (at < 0) return false;
  expect(Buffer.compare(h.payload(at), bytes(seq, length))).toBe(0);
  expect(h.timestamps[at]).toBe(seq * 160);
  return true;
};

it('keeps a second of anything that fits its limits, whatever the sizes', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(1500), { minLength: 50, maxLength: 300 }), lengths => {
      const h = new History(128, 1 << 18);
      lengths.forEach((length, i) => {
        const now = i * 20;
        put(h, i, length, now);
        for (let back = 0; back < 50 && i - back >= 0; back++)
          expect(has(h, i - back, lengths[i - back]!)).toBe(true);
      });
    }),
    { numRuns: 6 },
  );
});

it('gives up the oldest beyond its packets and beyond its bytes', () => {
  const h = new History(128, 1 << 14);
  for (let i = 0; i < 200; i++) put(h, i, 10, 0);
  expect([has(h, 199, 10), has(h, 72, 10), has(h, 71, 10)]).toEqual([true, true, false]);
  for (let i = 200; i < 250; i++) put(h, i, 1000, 0);
  const kept = Array.from({ length: 50 }, (_, i) => has(h, 200 + i, 1000)).filter(Boolean).length;
  expect(kept).toBe(16);
  expect(h.bytes.length).toBe(1 << 14);
});

it('does not grow for what is older than a second', () => {
  const h = new History(512, 1 << 20);
  for (let i = 0; i < 5000; i++) put(h, i, 1000, i * (KEPT_MS / 5));
  expect(h.bytes.length).toBe(8192);
  expect(has(h, 4999, 1000)).toBe(true);
});

it('tells flows and turns of the numbers apart', () => {
  const h = new History(128, 1 << 18);
  put(h, 5, 10, 0, 1);
  put(h, 5 + 128, 10, 0, 1);
  expect(has(h, 5, 10)).toBe(false);
  put(h, 7, 10, 0, 1);
  put(h, 7, 10, 0, 2);
  expect([has(h, 7, 10, 1), has(h, 7, 10, 2)]).toEqual([false, true]);
});
