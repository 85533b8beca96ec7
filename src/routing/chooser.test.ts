import { describe, expect, it } from 'vitest';
import { seededRandom } from '../kit/random.ts';
import { type Candidate, PathChooser, type PathState } from './chooser.ts';
import { BETTER_FOR_MS } from './relapses.ts';

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

describe('a path that is good and bad in turn', () => {
  const TEN_MINUTES_MS = 600_000;
  /** Switches in ten minutes when `at` says what the paths are like. */
  function switches(at: (now: number) => readonly Candidate[]): number {
    const chooser = new PathChooser();
    for (let now = 0; now < TEN_MINUTES_MS; now += 50) chooser.judge(at(now), unrelated, now);
    return chooser.switchesLastHour(TEN_MINUTES_MS);
  }
  const isGood = (now: number, seconds: number): boolean => Math.floor(now / 1000 / seconds) % 2 === 0;

  it.each([4, 5, 8, 15, 25])('%d s each is taken ever less often, however good it is then', seconds => {
    const dies = (via: number, now: number): Candidate =>
      path(via, 4.3, isGood(now, seconds) ? 'alive' : 'dead');
    const fails = (via: number, now: number): Candidate => path(via, isGood(now, seconds) ? 4.3 : 2.5);
    const all = [
      switches(now => [dies(DIRECT, now), path(C, 3.8)]),
      switches(now => [fails(DIRECT, now), path(C, 3.8)]),
      switches(now => [path(DIRECT, 2), dies(C, now), path(D, 3.8)]),
      switches(now => [path(DIRECT, 2, 'dead'), fails(C, now), path(D, 3.8)]),
    ];
    for (const n of all) expect(n).toBeLessThanOrEqual(10);
  });
  it('or without any rhythm, as are all the others', () => {
    for (const seed of [1, 2, 3, 4, 5]) {
      const random = seededRandom(seed);
      const now = { score: [4.3, 4.1, 3.9], until: [0, 0, 0] };
      const wander = (via: number, at: number, i: number): Candidate => {
        if (at >= now.until[i]!) {
          now.until[i] = at + 1000 + 20_000 * random();
          now.score[i] = 2.5 + 1.8 * random();
        }
        return path(via, now.score[i]!, now.score[i]! < 2.8 ? 'dead' : 'alive');
      };
      // Each would be the best now and then for four seconds: a switch each time would be a hundred of them.
      expect(switches(at => [DIRECT, C, D].map((via, i) => wander(via, at, i)))).toBeLessThanOrEqual(40);
    }
  });
  it('is taken at once nevertheless when the one in use gets bad', () => {
    const chooser = new PathChooser();
    let now = 0;
    for (let i = 0; i < 5; i++) {
      now = judge(chooser, [path(DIRECT, 4.3), path(C, 3.8)], now, 4000);
      now = judge(chooser, [path(DIRECT, 4.3, 'dead'), path(C, 3.8)], now, 4000);
    }
    expect(chooser.chosen).toBe(C);
    now = judge(chooser, [path(DIRECT, 4.3), path(C, 3.8)], now, 5000);
    expect(chooser.chosen).toBe(C);
    now = judge(chooser, [path(DIRECT, 4.3), path(C, 2.5)], now, BETTER_FOR_MS + 50);
    expect(chooser.chosen).toBe(DIRECT);
  });
});
