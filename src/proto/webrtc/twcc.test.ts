import { describe, expect, test } from 'vitest';
import { type Rtcp, readRtcp, writeRtcp } from '../rtp/rtcp.ts';
import { type Fate, SentLog } from './sent-log.ts';
import { Arrivals } from './twcc.ts';

type TransportFeedback = Extract<Rtcp, { type: 'twcc' }>;

/** Over the wire and back. */
const wired = (f: TransportFeedback): TransportFeedback => {
  const read = readRtcp(writeRtcp([f]));
  return (read as TransportFeedback[])[0]!;
};

class Fates implements Fate {
  readonly all: [sent: number, arrived: number, bytes: number][] = [];
  lostCount = 0;
  arrived(sent: number, arrived: number, bytes: number): void {
    this.all.push([sent, arrived, bytes]);
  }
  lost(count: number): void {
    this.lostCount += count;
  }
}

describe('arrivals', () => {
  test('are told after 100 ms, or after 50 when there is plenty', () => {
    const arrivals = new Arrivals();
    expect(arrivals.deadline).toBe(Number.POSITIVE_INFINITY);
    arrivals.arrived(7, 1000);
    expect(arrivals.deadline).toBe(1100);
    for (let i = 1; i < 20; i++) arrivals.arrived(7 + i, 1001);
    expect(arrivals.deadline).toBe(1050);
    expect(arrivals.feedback(1, 2)).toMatchObject([{ sender: 1, media: 2, base: 7, count: 0 }]);
    expect([arrivals.deadline, arrivals.feedback(1, 2)]).toEqual([Number.POSITIVE_INFINITY, []]);
  });

  test('with what was lost in between, also before the first that came', () => {
    const arrivals = new Arrivals();
    arrivals.arrived(65_534, 640);
    expect(arrivals.feedback(1, 2)).toMatchObject([{ base: 65_534, reference: 10, arrivals: [0] }]);
    arrivals.arrived(1, 645); // 65535 and 0 are lost
    arrivals.arrived(3, 644.5); // earlier than the one before: a negative delta
    expect(arrivals.feedback(1, 2)).toMatchObject([
      { base: 65_535, count: 1, arrivals: [undefined, undefined, 20, undefined, -2] },
    ]);
  });

  test('one that came after it was told lost is told again', () => {
    const arrivals = new Arrivals();
    for (const n of [1, 3]) arrivals.arrived(n, 64);
    arrivals.feedback(1, 2);
    arrivals.arrived(2, 70);
    expect(arrivals.feedback(1, 2)).toMatchObject([{ base: 2, arrivals: [24, -24] }]);
  });

  test('a pause too long for a delta begins another packet', () => {
    const arrivals = new Arrivals();
    arrivals.arrived(1, 0);
    arrivals.arrived(2, 9000);
    expect(arrivals.feedback(1, 2).map(f => [f.base, f.reference, f.arrivals])).toEqual([
      [1, 0, [0]],
      [2, 140, [160]],
    ]);
  });

  test('a thousand packets make several feedbacks, each within a datagram', () => {
    const arrivals = new Arrivals();
    for (let i = 0; i < 1000; i++) arrivals.arrived(i, i / 10);
    const made = arrivals.feedback(1, 2);
    expect(made.map(f => f.arrivals.length)).toEqual([400, 400, 200]);
    for (const f of made) expect(writeRtcp([f]).length).toBeLessThan(1200);
  });

  test('a leap of the numbers is a new beginning', () => {
    const arrivals = new Arrivals();
    arrivals.arrived(1, 0);
    arrivals.arrived(5000, 1);
    expect(arrivals.feedback(1, 2).at(-1)).toMatchObject({ base: 5000, arrivals: [4] });
  });
});

describe('both ends', () => {
  test('the sender learns when each packet came, and how many did not', () => {
    const log = new SentLog();
    const arrivals = new Arrivals();
    const fates = new Fates();
    for (let i = 0, now = 10_000; i < 3000; i++, now += 2) {
      const number = log.next(1000 + (i % 7), now);
      if (i % 10 !== 3) arrivals.arrived(number, now - 9000 + 30);
      if (i % 50 === 49) for (const f of arrivals.feedback(1, 2)) log.feedback(wired(f), now + 30, fates);
    }
    expect(fates.all.length).toBe(2700);
    expect(fates.lostCount).toBe(300);
    expect(fates.all.slice(0, 3)).toEqual([
      [10_000, 1030, 1000],
      [10_002, 1032, 1001],
      [10_004, 1034, 1002],
    ]);
    expect(new Set(fates.all.map(([sent, arrived]) => sent - arrived))).toEqual(new Set([8970]));
  });

  test('what was never sent, or told before, is passed over', () => {
    const log = new SentLog();
    const fates = new Fates();
    const f: TransportFeedback = {
      type: 'twcc',
      sender: 1,
      media: 2,
      base: 0,
      reference: 0,
      count: 0,
      arrivals: [0, 4, undefined, 4],
    };
    log.feedback(f, 0, fates);
    expect(fates).toMatchObject({ all: [], lostCount: 0 });
    for (let i = 0; i < 4; i++) log.next(100, i);
    log.feedback(f, 10, fates);
    log.feedback(f, 20, fates);
    expect(fates).toMatchObject({ lostCount: 1 });
    expect(fates.all.map(([sent]) => sent)).toEqual([0, 1, 3]);
    log.feedback({ ...f, arrivals: [undefined, undefined, 40] }, 30, fates); // it came after all
    expect(fates.all.at(-1)).toEqual([2, 10, 100]);
  });

  test('time goes on when the reference wraps', () => {
    const log = new SentLog();
    const fates = new Fates();
    const about = (base: number, reference: number) =>
      ({ type: 'twcc', sender: 1, media: 2, base, reference, count: 0, arrivals: [0] }) as const;
    log.next(1, 0);
    log.next(1, 1);
    log.feedback(about(0, 2 ** 23 - 1), 5, fates);
    log.feedback(about(1, -(2 ** 23)), 6, fates);
    expect(fates.all[1]![1] - fates.all[0]![1]).toBe(64);
  });
});
