import { describe, expect, it } from 'vitest';
import { askedBps, Width } from './bandwidth.ts';

const K = 1000;
const INF = Number.POSITIVE_INFINITY;
/** A track of 1 Mbit/s. */
const WHOLE = { track: 1000 * K, sent: undefined };

describe('what a publisher is asked for', () => {
  it.each([
    ['one viewer: what it takes', [900 * K], 900 * K],
    ['one viewer without a limit', [INF], undefined],
    ['one weak viewer: not less than a picture needs', [30 * K], 100 * K],
    ['two: the better one counts', [200 * K, 900 * K], 900 * K],
    ['of many, too', [500 * K, 200 * K, 900 * K, 700 * K], 900 * K],
    ['weak ones among the unlimited', [300 * K, 200 * K, INF], undefined],
    ['all weak: the floor', [50 * K, 60 * K, 70 * K], 100 * K],
  ])('%s', (_, limits, bps) => expect(askedBps(limits)).toBe(bps));
});

/** Shares after each step of `[seconds, track, estimate, max]`. */
const run = (width: Width, steps: readonly (readonly [number, number | undefined, number, number])[]) => {
  let now = 0;
  return steps.map(([seconds, track, estimate, max]) => {
    for (const end = now + seconds * 1000; now < end; now += 500)
      width.update(now, { track, sent: undefined }, estimate, max);
    return width.share;
  });
};

describe('Width', () => {
  it.each([
    ['room enough', [[10, 1000 * K, 2000 * K, INF]], ['full']],
    ['no estimate, no limit', [[10, 9000 * K, INF, INF]], ['full']],
    ['a little over', [[10, 1000 * K, 950 * K, INF]], ['full']],
    [
      'over for a moment',
      [
        [2, 1000 * K, 800 * K, INF],
        [1, 1000 * K, 2000 * K, INF],
        [2, 1000 * K, 800 * K, INF],
      ],
      ['full', 'full', 'full'],
    ],
    ['over for long', [[5, 1000 * K, 400 * K, INF]], [300 * K]],
    ['over what was agreed', [[5, 1000 * K, INF, 700 * K]], [600 * K]],
    ['far over', [[2, 1000 * K, 400 * K, INF]], [300 * K]],
    ['less than the least: it is tried', [[5, 1000 * K, 90 * K, INF]], [150 * K]],
    ['far less than the least', [[5, 1000 * K, 60 * K, INF]], ['none']],
    ['less agreed than the least', [[5, 1000 * K, INF, 90 * K]], ['none']],
    [
      'further down',
      [
        [5, 1000 * K, 400 * K, INF],
        [5, 1000 * K, 200 * K, INF],
      ],
      [300 * K, 150 * K],
    ],
    [
      'back when the track shrinks',
      [
        [5, 1000 * K, 400 * K, INF],
        [6, 350 * K, 400 * K, INF],
      ],
      [300 * K, 'full'],
    ],
    [
      'back when the line recovers',
      [
        [5, 1000 * K, 400 * K, INF],
        [1, 1000 * K, 2000 * K, INF],
        [4, 1000 * K, 2000 * K, INF],
      ],
      [300 * K, 300 * K, 'full'],
    ],
    [
      'the limit is lifted',
      [
        [5, 1000 * K, INF, 400 * K],
        [6, 1000 * K, INF, INF],
      ],
      [300 * K, 'full'],
    ],
    [
      'never beyond what was agreed',
      [
        [5, 1000 * K, INF, 700 * K],
        [300, 1000 * K, INF, 700 * K],
      ],
      [600 * K, 600 * K],
    ],
  ] as const)('%s', (_, steps, shares) => expect(run(new Width(), steps as never)).toEqual(shares));

  it('an estimate that grows with what is sent is followed up, step by step', () => {
    const width = new Width();
    const shares = new Set<unknown>();
    for (let now = 0; now < 120_000; now += 500) {
      const sent = width.share === 'full' ? 1000 * K : (width.share as number);
      width.update(now, WHOLE, now < 5000 ? 200 * K : sent * 1.5, INF);
      shares.add(width.share);
    }
    expect([...shares]).toEqual(['full', 150 * K, 300 * K, 600 * K]);
    expect(width.share).toBe('full');
  });

  it('a picture that needs less than its class is judged by what it needs', () => {
    const width = new Width();
    const shares = new Set<unknown>();
    for (let now = 0; now < 60_000; now += 500) {
      const sent = width.share === 'full' ? 1000 * K : 90 * K; // nothing moves
      width.update(now, { track: 1000 * K, sent }, now < 5000 ? 170 * K : sent * 1.5 + 20 * K, INF);
      shares.add(width.share);
    }
    expect([...shares].slice(0, 3)).toEqual(['full', 150 * K, 300 * K]);
  });

  it('what was tried in vain is tried ever more seldom', () => {
    const width = new Width();
    const tries: number[] = [];
    for (let now = 0; now < 600_000; now += 500)
      if (width.update(now, WHOLE, 250 * K, INF) && width.share === 300 * K) tries.push(now);
    expect(width.share).toBe(150 * K);
    const waits = tries.slice(1).map((at, i) => at - tries[i]!);
    expect(waits.length).toBeGreaterThan(3);
    expect(waits).toEqual([...waits].sort((a, b) => a - b));
    expect(waits.at(-1)).toBeGreaterThanOrEqual(120_000);
  });

  it('who is sent nothing is tried again, whatever the last estimate said: nothing measures the line meanwhile', () => {
    const width = new Width();
    // 50 kbit/s for good; while something is sent, the line shows after two seconds that it takes it.
    let sentSince = 0;
    let estimate = 50 * K;
    for (let now = 0; now < 90_000; now += 250) {
      if (width.update(now, { track: 1000 * K, sent: undefined }, estimate, INF)) sentSince = now;
      if (now > 40_000 && width.share !== 'none' && now - sentSince > 2000) estimate = 2000 * K;
      if (now === 10_000) expect(width.share).toBe('none');
    }
    expect(width.share).toBe('full');
  });

  it('where the line is as bad as it was, that is tried ever more seldom, and the least alone', () => {
    const width = new Width();
    const tries: number[] = [];
    const sent = new Set<unknown>();
    let sendingMs = 0;
    for (let now = 0; now < 600_000; now += 250) {
      if (width.update(now, WHOLE, 50 * K, INF) && width.share !== 'none') tries.push(now);
      if (tries.length > 0) sent.add(width.share);
      if (tries.length > 0 && width.share !== 'none') sendingMs += 250;
    }
    expect([...sent]).toEqual([150 * K, 'none']);
    const waits = tries.slice(1).map((at, i) => at - tries[i]!);
    expect(waits.length).toBeGreaterThan(2);
    expect(waits).toEqual([...waits].sort((a, b) => a - b));
    expect(waits.at(-1)).toBeGreaterThanOrEqual(120_000);
    expect(sendingMs).toBeLessThan(30_000);
  });

  it('what was agreed is not tried', () => {
    const width = new Width();
    expect(run(width, [[600, 1000 * K, INF, 90 * K]])).toEqual(['none']);
    expect(run(new Width([]), [[600, 1000 * K, 50 * K, 700 * K]])).toEqual(['none']);
  });

  it('without classes it is all or nothing, and tries again', () => {
    const width = new Width([]);
    expect(run(width, [[5, 1000 * K, 400 * K, INF]])).toEqual(['none']);
    let tries = 0;
    for (let now = 5000; now < 60_000; now += 500)
      if (width.update(now, WHOLE, 400 * K, INF) && width.share === 'full') tries++;
    expect(tries).toBe(2);
    expect(run(new Width([]), [[400, 1000 * K, INF, 700 * K]])).toEqual(['none']);
  });
});
