import { expect, test } from 'vitest';
import { middleNtp } from './rtcp.ts';
import { Reception, Transmission } from './stats.ts';

test('loss is counted since the start, its fraction since the last report', () => {
  const r = new Reception(8000);
  const hear = (from: number, to: number, except: number[] = []) => {
    for (let s = from; s <= to; s++) if (!except.includes(s)) r.packet(s, 160);
  };
  hear(65_530, 65_629, [65_540, 65_541]); // over the wrap of the wire counter
  expect(r.report(9, 0)).toMatchObject({
    ssrc: 9,
    fractionLost: Math.floor((2 * 256) / 100),
    lost: 2,
    highestSeq: 65_629,
  });
  hear(65_630, 65_729);
  expect(r.report(9, 0)).toMatchObject({ fractionLost: 0, lost: 2, highestSeq: 65_729 });
  expect(r.bytes).toBe(198 * 160);
});

test('duplicates make the loss negative, never the fraction', () => {
  const r = new Reception(8000);
  for (const s of [1, 1, 1, 2]) r.packet(s, 1);
  expect(r.report(9, 0)).toMatchObject({ fractionLost: 0, lost: -2 });
});

test('jitter is the smoothed difference of transit times', () => {
  const steady = new Reception(8000);
  for (let i = 0; i < 50; i++) steady.arrival(i * 160, i * 20);
  expect(steady.jitterMs).toBe(0);
  const shaky = new Reception(8000);
  for (let i = 0; i < 500; i++) shaky.arrival(i * 160, i * 20 + (i % 2) * 10);
  expect(shaky.jitterMs).toBeCloseTo(10, 1);
});

test('round trip: arrival − LSR − DLSR, over a whole exchange', () => {
  const [here, there] = [new Transmission(8000, 1_700_000_000_000), new Reception(8000)];
  here.packet(1000, 160, 100);
  const sr = here.senderInfo(100);
  there.packet(1, 160);
  there.senderReport(sr.ntp, 500_030); // clocks of the two ends have nothing in common
  const report = there.report(7, 500_530);
  expect(report.lastSr).toBe(middleNtp(sr.ntp));
  here.reported(report, 100 + 30 + 500 + 25);
  expect(here.rttMs).toBeCloseTo(55, 0);
});

test('a report without LSR, or a forged one, gives no round trip', () => {
  const t = new Transmission(8000, 1_700_000_000_000);
  const block = {
    ssrc: 1,
    fractionLost: 0,
    lost: 5,
    highestSeq: 0,
    jitter: 80,
    lastSr: 0,
    delaySinceLastSr: 0,
  };
  t.reported(block, 0);
  expect(t).toMatchObject({ rttMs: undefined, lost: 5, jitterMs: 10 });
  t.reported({ ...block, lastSr: 1 }, 0);
  expect(t.rttMs).toBeUndefined();
});

test('the RTP time of a sender report is that of its NTP time', () => {
  const t = new Transmission(8000, 0);
  t.packet(2 ** 32 - 100, 160, 1000);
  expect(t.senderInfo(1050).rtpTime).toBe(300);
});

test('a report ties RTP time to when media is to be heard, as far as that is known', () => {
  const t = new Transmission(8000, 0);
  t.packet(1000, 160, 5000, 77);
  const asked: number[] = [];
  t.timeOf = pts => {
    asked.push(pts);
    return 4900;
  };
  expect(t.senderInfo(5020).rtpTime).toBe(1000 + 120 * 8);
  expect(asked).toEqual([77]);
  t.timeOf = () => 5300; // to be heard later than now
  expect(t.senderInfo(5020).rtpTime).toBe((1000 - 280 * 8) >>> 0);
  t.timeOf = () => undefined;
  expect(t.senderInfo(5020).rtpTime).toBe(1000 + 20 * 8);
  t.timeOf = () => -100_000; // of another source
  expect(t.senderInfo(5020).rtpTime).toBe(1000 + 20 * 8);
});
