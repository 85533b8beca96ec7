import { describe, expect, it } from 'vitest';
import { seededRandom } from '../kit/random.ts';
import { BETTER_FOR_MS, type Candidate, PathChooser, type PathState } from './chooser.ts';

const DIRECT = 0;
const [C, D] = [3, 4];
const path = (via: number, score: number, state: PathState = 'alive'): Candidate => ({ via, score, state });
const unrelated = (): number => 0;
/** Judges the same candidates every 50 ms for so long; returns the time after it. */
function judge(chooser: PathChooser, candidates: readonly Candidate[], from: number, ms: number): number {
  for (let now = from; now < from + ms; now += 50) chooser.judge(candidates, unrelated, now);
  return from + ms;
}

describe('the path between two routers', () => {
  it('is the direct one, until another has been better by 0.2 for three seconds', () => {
    const chooser = new PathChooser();
    expect(chooser.chosen).toBe(DIRECT);
    judge(chooser, [path(DIRECT, 4.0), path(C, 4.19)], 0, 60_000);
    expect(chooser.chosen).toBe(DIRECT);
    judge(chooser, [path(DIRECT, 4.0), path(C, 4.2)], 60_000, BETTER_FOR_MS);
    expect(chooser.chosen).toBe(DIRECT);
    chooser.judge([path(DIRECT, 4.0), path(C, 4.2)], unrelated, 60_000 + BETTER_FOR_MS);
    expect(chooser.chosen).toBe(C);
    expect(chooser.switchesLastHour(3_660_000)).toBe(1);
    expect(chooser.switchesLastHour(3_664_000)).toBe(0);
  });
  it('is not left for one that is better with a break', () => {
    const chooser = new PathChooser();
    let now = 0;
    for (let i = 0; i < 20; i++) {
      now = judge(chooser, [path(DIRECT, 4.0), path(C, 4.4)], now, BETTER_FOR_MS - 50);
      now = judge(chooser, [path(DIRECT, 4.0), path(C, 4.1)], now, 50);
    }
    expect(chooser.chosen).toBe(DIRECT);
  });
  it('is left at once when it is dead, for the standby, and for nothing that is dead too', () => {
    const chooser = new PathChooser();
    const apart = (via: number): number => (via === D ? 0 : 0.9);
    chooser.judge([path(DIRECT, 4), path(C, 4), path(D, 3.5)], apart, 0);
    expect(chooser.standby).toBe(D);
    chooser.judge([path(DIRECT, 4, 'dead'), path(C, 4), path(D, 3.5)], apart, 50);
    expect(chooser.chosen).toBe(D);
    chooser.judge([path(DIRECT, 4, 'dead'), path(C, 4, 'dead'), path(D, 3.5, 'dead')], apart, 100);
    expect(chooser.chosen).toBe(D);
    expect(chooser.standby).toBeUndefined();
    chooser.judge([path(DIRECT, 4, 'dead')], apart, 150); // router D is no more
    expect(chooser.chosen).toBe(DIRECT);
  });
  it('has a second one beside it while it is in doubt, and while a better one is waited for', () => {
    const chooser = new PathChooser();
    chooser.judge([path(DIRECT, 4), path(C, 4)], unrelated, 0);
    expect(chooser.along).toBeUndefined();
    chooser.judge([path(DIRECT, 4, 'doubt'), path(C, 4)], unrelated, 50);
    expect(chooser.along).toBe(C);
    chooser.judge([path(DIRECT, 4), path(C, 4)], unrelated, 100);
    expect(chooser.along).toBeUndefined();
    judge(chooser, [path(DIRECT, 3), path(C, 4)], 150, 1000);
    expect([chooser.chosen, chooser.along]).toEqual([DIRECT, C]);
  });
  it('stands by with the most disjoint, not the second best; among equals with the best', () => {
    const chooser = new PathChooser();
    const correlated = (via: number): number => (via === C ? 0.8 : 0.1);
    chooser.judge([path(DIRECT, 4.3), path(C, 4.2), path(D, 3.4)], correlated, 0);
    expect(chooser.standby).toBe(D);
    chooser.judge([path(DIRECT, 4.3), path(C, 4.2), path(D, 3.4)], unrelated, 50);
    expect(chooser.standby).toBe(C);
    chooser.judge([path(DIRECT, 4.3), path(C, 4.2), path(D, 3.4, 'dead')], correlated, 100);
    expect(chooser.standby).toBe(C);
  });
  it('is the direct one again when that is as good, each time later when that did not last', () => {
    const chooser = new PathChooser();
    let now = 0;
    const away = (): void => {
      now = judge(chooser, [path(DIRECT, 2, 'dead'), path(C, 4)], now, 100);
      expect(chooser.chosen).toBe(C);
    };
    const waits: number[] = [];
    for (let i = 0; i < 4; i++) {
      away();
      const healed = now;
      while (chooser.chosen !== DIRECT) now = judge(chooser, [path(DIRECT, 4), path(C, 4)], now, 50);
      waits.push(now - healed);
    }
    expect(waits.map(w => Math.round(w / 1000))).toEqual([3, 6, 12, 24]);
    now = judge(chooser, [path(DIRECT, 4), path(C, 4)], now, 61_000);
    away();
    now = judge(chooser, [path(DIRECT, 4), path(C, 4)], now, 3100);
    expect(chooser.chosen).toBe(DIRECT);
  });
  it('does not flap while scores of equal paths wander for ten minutes', () => {
    for (const seed of [1, 2, 3, 4, 5]) {
      const random = seededRandom(seed);
      const chooser = new PathChooser();
      for (let now = 0; now < 600_000; now += 250) {
        const wander = (): number => 3.9 + 0.5 * random();
        chooser.judge([path(DIRECT, wander()), path(C, wander()), path(D, wander())], unrelated, now);
      }
      expect(chooser.switchesLastHour(600_000)).toBeLessThanOrEqual(2);
    }
  });
});
