import { describe, expect, it } from 'vitest';
import { BlockClock } from './block-clock.ts';

/** Blocks granted at each of `ticks`. */
const run = (clock: BlockClock, ticks: readonly number[]): number[] =>
  ticks.map(now => {
    let blocks = 0;
    clock.begin(now);
    while (clock.step(now)) blocks++;
    return blocks;
  });

describe('BlockClock', () => {
  it('a block every 20 ms, the first at once', () => {
    expect(run(new BlockClock(), [1000, 1020, 1040, 1060])).toEqual([1, 1, 1, 1]);
  });
  it('ticks a little early or late count as on time', () => {
    expect(run(new BlockClock(), [1003, 1020, 1041, 1058, 1084, 1100])).toEqual([1, 1, 1, 1, 1, 1]);
  });
  it('too many ticks make no more blocks', () => {
    expect(run(new BlockClock(), [1000, 1001, 1005, 1019, 1020])).toEqual([1, 0, 0, 1, 0]);
  });
  it('late ticks are made up for', () => {
    const clock = new BlockClock();
    expect(run(clock, [1000, 1100, 1120, 1305])).toEqual([1, 5, 1, 9]);
    expect(clock.at).toBe(1300);
  });
  it('no drift over an hour of late ticks', () => {
    const clock = new BlockClock();
    for (let now = 0; now <= 3_600_000; now += 33) run(clock, [now]);
    expect(Math.abs(clock.at - 3_600_000)).toBeLessThan(40);
    expect(clock.index).toBe(clock.at / 20 + 1);
  });
  it('after a stall it goes on from now, and counts the time', () => {
    const clock = new BlockClock();
    expect(run(clock, [1000, 2000, 2020])).toEqual([1, 1, 1]);
    expect(clock.index).toBe(52);
  });
  it('after a rest it begins a new line', () => {
    const clock = new BlockClock();
    run(clock, [1000, 1020]);
    clock.rest();
    expect(run(clock, [1033, 1053])).toEqual([1, 1]);
    expect(clock.index).toBe(4);
  });
});
