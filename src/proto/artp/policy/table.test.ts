import { describe, expect, test } from 'vitest';
import { type LoopOptions, loop } from './loop.testing.ts';

/**
 * The loss table of the design in a closed loop, virtual time: the policy sees what its own packets met, through reports
 * that are lost as often. Bounds: the table's rate and 20 %; 1.5 % where it says 1 % or less, else two points more.
 */
const delayMs = 50;
const burst = { ms: 80 };
const by = (loss: number) => [{ loss, delayMs }];
const bursts = (loss: number) => ({ loss, burst, delayMs });
const rows: [string, Omit<LoopOptions, 'seed' | 'seconds'>, number, number][] = [
  ['30 %', { links: by(0.3) }, 178, 0.015],
  ['50 %', { links: by(0.5) }, 356, 0.015],
  ['70 %', { links: by(0.7) }, 534, 0.015],
  ['80 %', { links: by(0.8) }, 712, 0.015],
  ['30 % in bursts, two paths', { links: [bursts(0.3), bursts(0.3)] }, 356, 0.029],
  ['30 % in bursts, one path', { links: [bursts(0.3)], budgetMs: 320 }, 204, 0.034],
  ['50 % in bursts, two paths', { links: [bursts(0.5), bursts(0.5)] }, 356, 0.049],
  ['50 % in bursts, one path', { links: [bursts(0.5)], budgetMs: 320 }, 204, 0.063],
];

describe.each(rows)('%s lost', (_, options, kbps, residual) => {
  test('is repaired within the rate and the delay of the table', () => {
    const r = loop({ ...options, seed: 1, seconds: 60, from: 5 });
    expect(r.bitrateBps).toBeLessThan(kbps * 1200);
    expect(r.residual).toBeLessThan(residual);
    expect(r.largestReport).toBeLessThan(300);
  });
});

test('noise does not lower the estimate', () => {
  for (const loss of [0.3, 0.5, 0.8])
    for (let seed = 1; seed <= 3; seed++) {
      const { rates } = loop({ seed, seconds: 40, links: [{ loss, delayMs, jitterMs: 15 }] });
      expect(Math.min(...rates)).toBeGreaterThan(700_000);
    }
});

describe('a narrow link', () => {
  const cap = { rateBps: 200_000, delayMs };
  test('of 200 kbit/s with 10 % is not filled', () => {
    for (let seed = 1; seed <= 3; seed++) {
      const r = loop({ seed, seconds: 40, from: 5, links: [{ ...cap, loss: 0.1 }] });
      expect(r.bitrateBps).toBeLessThan(150_000);
      expect(r.residual).toBeLessThan(0.015);
    }
  });

  test('gets what fits of what 64 kbit/s of sound would want', () => {
    for (let seed = 1; seed <= 3; seed++) {
      const r = loop({ seed, seconds: 60, from: 5, sourceBps: 64_000, links: [{ ...cap, loss: 0.3 }] });
      expect(r.bitrateBps).toBeLessThan(190_000);
      expect(r.residual).toBeLessThan(0.14); // 9 % is what two of each leave
      expect(r.meters[0]!.rttMs).toBeLessThan(220);
    }
  });

  test('that becomes narrow sheds what was spent before', () => {
    for (let seed = 1; seed <= 3; seed++) {
      const r = loop({
        seed,
        seconds: 40,
        from: 25,
        links: [{ loss: 0.6, delayMs }],
        change: { atS: 20, links: [{ ...cap, loss: 0.1 }] },
      });
      expect(r.sentBps[18]).toBeGreaterThan(230_000);
      expect(Math.max(...r.sentBps.slice(23, 39))).toBeLessThan(215_000);
      expect(r.residual).toBeLessThan(0.02);
    }
  });
});

test('loss that begins in mid-call is met within two seconds', () => {
  const r = loop({
    seed: 1,
    seconds: 30,
    from: 12,
    links: [{ delayMs }],
    change: { atS: 10, links: [{ loss: 0.5, delayMs }] },
  });
  expect(r.residual).toBeLessThan(0.015);
});

describe('an outage of 160 ms', () => {
  const outage = (fromMs: number) => ({ fromMs, toMs: fromMs + 160 });
  const sentAfter = (...outages: { fromMs: number; toMs: number }[]) =>
    loop({ seed: 1, seconds: 40, links: [{ delayMs, outages }] }).sentBps.slice(22, 38);
  test('is over when it is known of: nothing is spent on it', () => {
    expect(Math.max(...sentAfter(outage(20_000)))).toBeLessThan(60_000);
  });
  test('that comes again is spent on', () => {
    expect(Math.max(...sentAfter(outage(18_000), outage(22_000)))).toBeGreaterThan(75_000);
  });
});
