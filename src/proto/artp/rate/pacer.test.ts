import { expect, test } from 'vitest';
import { NEVER } from '../../../kit/core.ts';
import { Pacer } from './pacer.ts';

/** Sends whenever it may; returns bytes by millisecond. */
function drain(pacer: Pacer, bytes: number, fromMs: number, toMs: number): number[] {
  const sent: number[] = [];
  for (let now = fromMs; now < toMs; now++) {
    let now0 = 0;
    while (pacer.ready(now)) {
      pacer.spend(bytes, now);
      now0 += bytes;
    }
    sent.push(now0);
  }
  return sent;
}

test('without a rate nothing waits', () => {
  const pacer = new Pacer();
  pacer.spend(1_000_000, 0);
  expect([pacer.ready(0), pacer.deadline]).toEqual([true, NEVER]);
});

test('leaves half as much again as the path takes, and never much at once', () => {
  const pacer = new Pacer();
  pacer.setRate(800_000, 0); // 100 bytes a millisecond
  drain(pacer, 1000, 0, 1000);
  const sent = drain(pacer, 1000, 1000, 3000);
  const total = sent.reduce((a, b) => a + b, 0);
  expect(total).toBeGreaterThan(290_000);
  expect(total).toBeLessThan(310_000);
  expect(Math.max(...sent)).toBeLessThanOrEqual(1000);
});

test('says when it is ready again, and is', () => {
  const pacer = new Pacer();
  pacer.setRate(80_000, 0);
  while (pacer.ready(0)) pacer.spend(1200, 0);
  const at = pacer.deadline;
  expect(at).toBeGreaterThan(0);
  expect(at).toBeLessThan(1200);
  expect(pacer.ready(at - 1)).toBe(false);
  expect(pacer.ready(at)).toBe(true);
});

test('what must not wait is paid back by the rest, but no longer than a second', () => {
  const pacer = new Pacer();
  pacer.setRate(80_000, 0); // 15 bytes a millisecond
  for (let i = 0; i < 100; i++) pacer.spend(1200, 0);
  expect(pacer.deadline).toBeGreaterThan(900);
  expect(pacer.deadline).toBeLessThan(1100);
});
