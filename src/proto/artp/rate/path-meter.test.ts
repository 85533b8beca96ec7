import { expect, test } from 'vitest';
import { type Rtcp, readRtcp, writeRtcp } from '../../rtp/rtcp.ts';
import { LossRecorder } from './loss-recorder.ts';
import { PathMeter } from './path-meter.ts';

const PATH = 3;
const time24 = (now: number): number => Math.floor(now * 262.144) % 2 ** 24;

/** Both ends of one path. `arrives`: one-way delay of a packet in ms, undefined when it is lost. */
class World {
  readonly meter = new PathMeter(PATH);
  readonly recorder = new LossRecorder(PATH);
  readonly #arrivals: { at: number; sequence: number; sent: number }[] = [];
  readonly #reports: { at: number; parts: Rtcp[] }[] = [];
  sequence = 65_500;
  now = 100_000;

  send(delayMs: number | undefined, bytes = 200): void {
    const sequence = this.sequence++ & 0xffff;
    this.meter.sent(sequence, bytes, this.now);
    if (delayMs !== undefined) this.#arrivals.push({ at: this.now + delayMs, sequence, sent: this.now });
  }

  /** `backMs`: how long reports take. */
  run(ms: number, backMs = 40): void {
    for (const end = this.now + ms; this.now < end; this.now++) {
      for (const a of this.#arrivals.filter(a => a.at === this.now))
        this.recorder.note(a.sequence, time24(a.sent), this.now);
      const parts = this.recorder.report(1, this.now);
      if (parts) this.#reports.push({ at: this.now + backMs, parts: readRtcp(writeRtcp(parts)) as Rtcp[] });
      for (const r of this.#reports.filter(r => r.at === this.now))
        for (const part of r.parts) this.meter.handle(part, this.now);
    }
  }

  fates(): number[] {
    return [...this.meter.view(this.now).lost];
  }
}

test('the round trip is what the packet and the report took, without the time the report waited', () => {
  const w = new World();
  for (let i = 0; i < 50; i++) {
    w.send(60);
    w.run(20, 40);
  }
  expect(w.meter.rttMs).toBeGreaterThan(98);
  expect(w.meter.rttMs).toBeLessThan(103);
});

test('fates are told in the order sent, over the wrap of the sequence', () => {
  const w = new World();
  const pattern = [0, 1, 0, 0, 1, 1, 0, 0, 0, 1];
  for (let i = 0; i < 100; i++) {
    w.send(pattern[i % 10] ? undefined : 30);
    w.run(20);
  }
  w.send(30);
  w.run(300);
  const fates = w.fates();
  expect(fates).toEqual(Array.from({ length: 101 }, (_, i) => (i === 100 ? 0 : pattern[i % 10])));
  expect(w.meter.loss).toBeCloseTo(0.4, 1);
});

test('a packet told as lost that comes late did come', () => {
  const w = new World();
  w.send(10);
  w.send(350);
  w.send(10);
  w.run(200);
  expect(w.fates()).toEqual([0, 1, 0]);
  w.run(400);
  expect(w.fates()).toEqual([0, 0, 0]);
});

test('what was sent after the newest that came is lost once it had its time', () => {
  const w = new World();
  for (let i = 0; i < 20; i++) {
    w.send(10);
    w.run(20);
  }
  for (let i = 0; i < 20; i++) {
    w.send(undefined);
    w.run(20);
  }
  w.run(600);
  expect(w.fates().filter(l => l === 1).length).toBeGreaterThan(5);
});

test('reports about other paths and about what was never sent change nothing', () => {
  const w = new World();
  w.send(10);
  w.run(200);
  const stranger = new LossRecorder(PATH + 1);
  stranger.note(500, 0, w.now);
  for (const part of stranger.report(1, w.now + 100)!) w.meter.handle(part, w.now);
  const liar = new LossRecorder(PATH);
  liar.note(40_000, 0, w.now);
  liar.note(40_100, 0, w.now);
  for (const part of liar.report(1, w.now + 100)!) w.meter.handle(part, w.now);
  expect(w.fates()).toEqual([0]);
});

test('the view holds ten seconds and no more', () => {
  const w = new World();
  for (let i = 0; i < 800; i++) {
    w.send(10);
    w.run(20);
  }
  const { sentAt, lost } = w.meter.view(w.now);
  expect(lost.length).toBeGreaterThan(485);
  expect(lost.length).toBeLessThanOrEqual(501);
  expect(sentAt[0]).toBeGreaterThanOrEqual(w.now - 10_000);
});
