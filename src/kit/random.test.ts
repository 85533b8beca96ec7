import { expect, test } from 'vitest';
import { DueQueue } from './due.ts';
import { seededRandom } from './random.ts';

test('a seed gives its own row, in [0, 1), even', () => {
  const row = (seed: number, n: number): number[] => {
    const next = seededRandom(seed);
    return Array.from({ length: n }, next);
  };
  expect(row(1, 5)).toEqual(row(1, 5));
  expect(row(1, 5)).not.toEqual(row(2, 5));
  for (const seed of [0, 1, 2, -1, 2 ** 31]) {
    const values = row(seed, 100_000);
    expect(Math.min(...values.slice(0, 50_000))).toBeGreaterThanOrEqual(0);
    expect(Math.max(...values.slice(0, 50_000))).toBeLessThan(1);
    // Chi-square over 20 equal boxes: 99.9 % of good generators stay below 43.8.
    const boxes = new Array<number>(20).fill(0);
    for (const v of values) boxes[Math.floor(v * 20)]! += 1;
    expect(boxes.reduce((sum, b) => sum + (b - 5000) ** 2 / 5000, 0)).toBeLessThan(43.8);
  }
});

test('neighbouring values and neighbouring seeds have nothing in common', () => {
  const correlation = (a: readonly number[], b: readonly number[]): number =>
    a.reduce((sum, v, i) => sum + (v - 0.5) * (b[i]! - 0.5), 0) / a.length / (1 / 12);
  const values = (seed: number): number[] => Array.from({ length: 50_000 }, seededRandom(seed));
  const one = values(1);
  expect(Math.abs(correlation(one.slice(1), one.slice(0, -1)))).toBeLessThan(0.02);
  expect(Math.abs(correlation(one, values(2)))).toBeLessThan(0.02);
});

test('a due queue gives what is due, the earliest first, of one time in the order it came', () => {
  const random = seededRandom(4);
  const queue = new DueQueue<number>();
  const all: { at: number; n: number }[] = [];
  for (let n = 0; n < 1000; n++) {
    const at = Math.floor(random() * 50);
    all.push({ at, n });
    queue.push(at, n);
  }
  const expected = all.sort((a, b) => a.at - b.at || a.n - b.n);
  const got: number[] = [];
  for (let now = 0; now <= 50; now++) {
    expect(queue.deadline).toBe(expected[got.length]?.at ?? Number.POSITIVE_INFINITY);
    for (let n: number | undefined; (n = queue.take(now)) !== undefined; ) got.push(n);
  }
  expect(got).toEqual(expected.map(e => e.n));
  expect(queue.size).toBe(0);
});
