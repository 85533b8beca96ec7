import { expect, test } from 'vitest';
import { correlation } from '../rate/correlation.ts';
import { fates } from './bitmaps.testing.ts';
import { pathScore, predictedMos } from './mos.ts';

test('what is missing and what is late cost points', () => {
  expect(predictedMos(0, 50)).toBeGreaterThan(4.3);
  expect(predictedMos(0.05, 50)).toBeLessThan(predictedMos(0.01, 50));
  expect(predictedMos(0, 400)).toBeLessThan(predictedMos(0, 100) - 0.5);
});

test('a path is worth what the best policy makes of it', () => {
  const clean = pathScore(fates({ seed: 1, loss: 0 }), 60);
  const lossy = pathScore(fates({ seed: 1, loss: 0.2 }), 60);
  const far = pathScore(fates({ seed: 1, loss: 0 }), 500);
  const broken = pathScore(fates({ seed: 1, loss: 0.6, burstMs: 400 }), 60);
  expect(clean).toBeGreaterThan(lossy);
  expect(lossy).toBeGreaterThan(far);
  expect(lossy).toBeGreaterThan(3.8);
  expect(broken).toBeLessThan(3);
});

test('paths that fail together are told from those that do not', () => {
  const a = fates({ seed: 1, loss: 0.3, burstMs: 80 });
  const twin = { ...a, lost: a.lost.map((l, i) => (i % 10 === 0 ? 0 : l)) };
  const other = fates({ seed: 2, loss: 0.3, burstMs: 80 });
  expect(correlation(a, twin)!).toBeGreaterThan(0.8);
  expect(Math.abs(correlation(a, other)!)).toBeLessThan(0.3);
  expect(correlation(a, fates({ seed: 3, loss: 0 }))).toBe(0);
  expect(correlation(a, { ...a, sentAt: a.sentAt.map(t => t + 1e6) })).toBeUndefined();
});
