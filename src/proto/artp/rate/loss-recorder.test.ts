import { expect, test } from 'vitest';
import { NEVER } from '../../../kit/core.ts';
import { seededRandom } from '../../../kit/random.ts';
import { type Rtcp, readRtcp, writeRtcp } from '../../rtp/rtcp.ts';
import { LossRecorder } from './loss-recorder.ts';

const PATH = 5;
const time24 = (now: number): number => Math.floor(now * 262.144) % 2 ** 24;
type Part<T extends Rtcp['type']> = Extract<Rtcp, { type: T }>;

/** As it comes out at the other end. */
function told(parts: Rtcp[]): { xr: Part<'xr'>; twcc: Part<'twcc'>; bytes: number } {
  const datagram = writeRtcp(parts);
  const [xr, twcc] = readRtcp(datagram) as [Part<'xr'>, Part<'twcc'>];
  return { xr, twcc, bytes: datagram.length };
}

test('the first report comes 100 ms after the first packet and tells what came, when, and how long ago', () => {
  const r = new LossRecorder(PATH);
  expect(r.deadline).toBe(NEVER);
  r.note(0xffff, time24(1000), 1030);
  r.note(1, time24(1040), 1070);
  expect(r.deadline).toBe(1130);
  expect(r.report(7, 1129)).toBeUndefined();
  const { xr, twcc } = told(r.report(7, 1130)!);
  expect(xr.losses).toEqual([{ source: PATH, begin: 0xffff, came: Uint8Array.of(1, 0, 1) }]);
  expect(xr.delays).toEqual([{ source: PATH, lastTime: time24(1040) >>> 2, delay: Math.round(60 * 65.536) }]);
  expect(twcc).toMatchObject({ sender: 7, media: PATH, base: 0xffff, count: 0 });
  const [first, lost, third] = twcc.arrivals;
  expect(twcc.reference * 64 + first! / 4).toBe(1030);
  expect([lost, third]).toEqual([undefined, 160]); // 40 ms
});

test('reports are repeated for a second after the last packet, then there is silence', () => {
  const r = new LossRecorder(PATH);
  r.note(1, 0, 0);
  let reports = 0;
  for (let now = 0; now < 5000; now += 10) if (r.report(7, now)) reports++;
  expect(reports).toBe(10);
  expect(r.deadline).toBe(NEVER);
});

test('what only carries feedback makes no report, but is told of in the next', () => {
  const r = new LossRecorder(PATH);
  r.note(1, 0, 0, false);
  expect(r.deadline).toBe(NEVER);
  r.note(2, 0, 500);
  expect(told(r.report(7, 600)!).xr.losses[0]!.came).toEqual(Uint8Array.of(1, 1));
});

test('a packet that comes twice counts once, with its first arrival', () => {
  const r = new LossRecorder(PATH);
  r.note(1, 0, 10);
  r.note(1, 0, 90);
  const { twcc } = told(r.report(7, 110)!);
  expect(twcc.arrivals).toHaveLength(1);
  expect(twcc.reference * 64 + twcc.arrivals[0]! / 4).toBe(10);
});

test.each([50, 200, 1000])(
  '%i packets/s: with 80 %% of the reports lost nearly every fate is known, and no report is above 1200 bytes',
  perSecond => {
    const random = seededRandom(perSecond);
    const r = new LossRecorder(PATH);
    const came = new Map<number, boolean>();
    const known = new Map<number, boolean>();
    let largest = 0;
    let next = 0;
    for (let now = 0; now < 20_000; now++) {
      for (; next * 1000 < now * perSecond; next++) {
        const arrives = random() < 0.5;
        came.set(next, arrives);
        if (arrives) r.note((next + 60_000) & 0xffff, time24(now), now);
      }
      const parts = r.report(7, now);
      if (!parts) continue;
      const { xr, bytes } = told(parts);
      largest = Math.max(largest, bytes);
      if (random() < 0.8) continue;
      const { begin, came: bits } = xr.losses[0]!;
      const first = next - ((next + 60_000 - begin) & 0xffff);
      for (const [i, bit] of bits.entries()) known.set(first + i, bit === 1);
    }
    expect(largest).toBeLessThanOrEqual(1200);
    const settled = [...came].filter(([n]) => n * 1000 < 15_000 * perSecond && n > 5);
    for (const [n, arrived] of settled) if (known.has(n)) expect(known.get(n), `packet ${n}`).toBe(arrived);
    expect(settled.filter(([n]) => !known.has(n)).length / settled.length).toBeLessThan(0.005);
  },
);

test('at 5000 packets/s it keeps to 1200 bytes and tells of the newest', () => {
  const random = seededRandom(3);
  const r = new LossRecorder(PATH);
  let sequence = 0;
  for (let now = 0; now < 3000; now++) {
    for (let i = 0; i < 5; i++, sequence++) if (random() < 0.9) r.note(sequence & 0xffff, time24(now), now);
    const parts = r.report(7, now);
    if (!parts) continue;
    const { bytes, xr } = told(parts);
    expect(bytes).toBeLessThanOrEqual(1200);
    expect(xr.losses[0]!.came.length).toBeGreaterThan(Math.min(sequence - 10, 4000));
  }
});
