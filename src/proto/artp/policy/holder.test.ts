import { expect, test } from 'vitest';
import { type AudioPolicy, PLAIN_AUDIO } from '../media/policy-types.ts';
import type { Choice } from './choice.ts';
import { PolicyHolder } from './holder.ts';

const choice = (pattern: number, availableBps = 1_000_000): Choice<AudioPolicy> => ({
  policy: { ...PLAIN_AUDIO, pattern },
  residual: 0,
  bitrateBps: 50_000 + pattern * 25_000,
  pathBps: 50_000 + pattern * 25_000,
  availableBps,
  delayMs: pattern * 20,
  enough: true,
  sourceBps: 24_000,
});
/** Which pattern is in use after each choice; one every 250 ms. */
function use(holder: PolicyHolder<AudioPolicy>, patterns: readonly number[], from = 0): number[] {
  return patterns.map((p, i) => holder.update(choice(p), from + i * 250).policy.pattern);
}
const often = (pattern: number, seconds: number): number[] => Array<number>(seconds * 4).fill(pattern);

test('what is stronger is used at once', () => {
  expect(use(new PolicyHolder(), [0, 2, 5])).toEqual([0, 2, 5]);
});

test('what is weaker is used when it was enough for ten seconds', () => {
  const used = use(new PolicyHolder(), [5, ...often(1, 11)]);
  expect(used.lastIndexOf(5)).toBe(40);
  expect(used.at(-1)).toBe(1);
});

test('ten seconds begin anew when what is in use is needed again', () => {
  const used = use(new PolicyHolder(), [5, ...often(1, 9), 5, ...often(1, 9)]);
  expect(new Set(used)).toEqual(new Set([5]));
});

test('of several weaker ones the strongest is taken', () => {
  const used = use(new PolicyHolder(), [5, ...often(1, 5), 3, ...often(1, 6)]);
  expect(used.at(-1)).toBe(3);
  expect(used).not.toContain(1);
});

test('what no longer fits the path is given up at once', () => {
  const holder = new PolicyHolder<AudioPolicy>();
  holder.update(choice(5), 0);
  expect(holder.update(choice(1, 100_000), 250).policy.pattern).toBe(1);
});
