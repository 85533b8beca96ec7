import { describe, expect, test } from 'vitest';
import { seededRandom } from '../../../kit/random.ts';
import { LossJudge } from './loss-judge.ts';
import type { RateChange, Side } from './rate-change.ts';

/** So much of what was sent at a rate arrived, 200 packets. */
const side = (bps: number, share: number): Side => ({ bps, packets: 200, arrived: Math.round(200 * share) });
const change = (low: Side, high: Side, clustering = 1): RateChange => ({ low, high, clustering });
const judgeOf = (...changes: RateChange[]): LossJudge => {
  const judge = new LossJudge();
  judge.update(changes, undefined, 0);
  return judge;
};

describe('of what arrived at two rates', () => {
  test('as much of both is noise: no limit', () => {
    const judge = judgeOf(change(side(100_000, 0.5), side(300_000, 0.5)));
    expect(judge.isSure).toBe(false);
    expect(judge.isClear(200_000)).toBe(true);
    expect(judge.isClear(400_000)).toBe(false); // nothing was sent at that rate
  });

  test('as many bytes of both is a limit, found where it is', () => {
    // 150 kbit/s pass, and half of them are lost besides.
    const judge = judgeOf(
      change(side(100_000, 0.5), side(300_000, 0.25)),
      change(side(140_000, 0.5), side(200_000, 0.375)),
    );
    expect(judge.isSure).toBe(true);
    expect(judge.limitBps).toBeGreaterThan(100_000);
    expect(judge.limitBps).toBeLessThan(180_000);
  });

  test('losses in rows say less', () => {
    expect(judgeOf(change(side(100_000, 0.5), side(200_000, 0.3), 8)).isSure).toBe(false);
    expect(judgeOf(change(side(100_000, 0.5), side(200_000, 0.3))).isSure).toBe(true);
  });

  test('one change says otherwise than another: nothing is believed', () => {
    const judge = judgeOf(change(side(100_000, 0.5), side(300_000, 0.25)));
    expect(judge.isSure).toBe(true);
    judge.update([change(side(100_000, 0.5), side(300_000, 0.5))], undefined, 0);
    expect(judge.isSure).toBe(false);
  });

  test('what speaks for a limit fades', () => {
    const judge = judgeOf(change(side(100_000, 0.5), side(300_000, 0.2)));
    for (let s = 0; s < 60; s++) judge.update([], undefined, 1);
    expect(judge.isSure).toBe(false);
  });
});

test('noise is hardly ever taken for a limit', () => {
  const random = seededRandom(5);
  let sure = 0;
  for (let n = 0; n < 2000; n++) {
    const judge = new LossJudge();
    const loss = 0.1 + 0.7 * random();
    const arrived = (packets: number): number => {
      let came = 0;
      for (let i = 0; i < packets; i++) if (random() >= loss) came++;
      return came;
    };
    const low = { bps: 100_000, packets: 60, arrived: arrived(60) };
    judge.update([change(low, { bps: 250_000, packets: 120, arrived: arrived(120) })], undefined, 0);
    if (judge.isSure) sure++;
  }
  expect(sure).toBeLessThan(10);
});
