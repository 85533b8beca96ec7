import { beforeEach, describe, expect, test } from 'vitest';
import { Nacks } from './nacks.ts';

let nacks: Nacks;
const come = (seqs: readonly number[], now = 0): void => {
  for (const seq of seqs) nacks.arrived(seq & 0xffff, now);
};
beforeEach(() => {
  nacks = new Nacks();
});

describe('holes', () => {
  test('nothing is asked for while all comes, over the wrap too', () => {
    come([65_533, 65_534, 65_535, 0, 1]);
    expect([nacks.deadline, nacks.due(1000)]).toEqual([Number.POSITIVE_INFINITY, []]);
  });

  test('a hole is asked for once three newer packets came, or after 10 ms', () => {
    come([1, 2, 4], 100);
    expect(nacks.deadline).toBe(110);
    expect(nacks.due(105)).toEqual([]);
    expect(nacks.due(110)).toEqual([3]);
    come(
      [65_535, 1, 2, 3].map(s => s + 10),
      200,
    ); // 9, 11, 12, 13 after 4
    expect(nacks.deadline).toBe(200);
    expect(nacks.due(200)).toEqual([3, 5, 6, 7, 8, 10]);
  });

  test('reordering is no loss', () => {
    come([1, 3, 2, 4], 100);
    expect([nacks.deadline, nacks.due(1000)]).toEqual([Number.POSITIVE_INFINITY, []]);
  });

  test('asked again while it does not come, as far apart as repairs take; and given up after a second', () => {
    come([1, 3], 0);
    const at: number[] = [];
    for (let now = nacks.deadline; now < Number.POSITIVE_INFINITY; now = nacks.deadline)
      if (nacks.due(now).length > 0) at.push(now);
    expect(at.slice(0, 3)).toEqual([10, 100, 190]);
    expect(at.length).toBe(10);
    expect(nacks.takeGaveUp()).toBe(true);
    expect(nacks.takeGaveUp()).toBe(false);
  });

  test('learns how long a repair takes', () => {
    for (let i = 0, now = 0; i < 60; i++, now += 1000) {
      come([i * 3, i * 3 + 2], now);
      nacks.due(now + 10);
      come([i * 3 + 1], now + 14); // 4 ms after the request
    }
    come([180, 182], 100_000);
    expect(nacks.due(100_010)).toEqual([181]);
    expect(nacks.deadline).toBe(100_030); // never sooner than 20 ms
  });
});

describe('bounds', () => {
  test('too many at once are not asked for: a keyframe is cheaper', () => {
    come([1, 400]);
    expect([nacks.takeGaveUp(), nacks.due(1000)]).toEqual([true, []]);
    come([402], 1000);
    expect(nacks.due(1010)).toEqual([401]);
  });

  test('another beginning is no hole', () => {
    come([1, 2, 30_000, 30_001], 0);
    expect([nacks.takeGaveUp(), nacks.due(1000)]).toEqual([false, []]);
    nacks.reset();
    come([5, 6]);
    expect(nacks.due(2000)).toEqual([]);
  });
});
