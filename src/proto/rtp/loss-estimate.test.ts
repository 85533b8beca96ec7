import { expect, test } from 'vitest';
import { LossEstimate } from './loss-estimate.ts';

test('a line without loss has nothing to tell', () => {
  const e = new LossEstimate();
  for (let i = 0; i < 20; i++) expect(e.report(i % 2 === 0 ? 0 : 0.09, 900_000, 2_000_000)).toBeUndefined();
});

test('an overloaded line is told at once for what it carries, and recovers step by step', () => {
  const e = new LossEstimate();
  expect(e.report(0.7, 1_000_000, 2_000_000)).toBe(300_000);
  expect(e.report(0.05, 290_000, 2_000_000)).toBeUndefined();
  const told: (number | undefined)[] = [];
  for (let i = 0; i < 20; i++) told.push(e.report(0, 290_000, 2_000_000));
  expect(told.slice(0, 2)).toEqual([345_000, 396_750]);
  expect(told.filter(bps => bps !== undefined).at(-1)).toBe(2_000_000);
  expect(told.at(-1)).toBeUndefined();
});

test('some loss takes half as much, and there is an end to it', () => {
  const e = new LossEstimate();
  expect(e.report(0.2, 1_000_000, 2_000_000)).toBe(900_000);
  for (let i = 0; i < 50; i++) e.report(0.9, 1_000_000, 2_000_000);
  expect(e.report(0, 1000, 2_000_000)).toBe(57_500);
});

test('nothing was sent: nothing is known', () => {
  expect(new LossEstimate().report(0.5, 0, 2_000_000)).toBeUndefined();
});
