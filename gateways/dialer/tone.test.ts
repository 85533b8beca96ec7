import { expect, it, test } from 'vitest';
import type { Clock, Format, MediaPacket } from '../../src/contract.ts';
import { RtpReceiver } from '../../src/proto/rtp/receiver.ts';
import { RtpSender } from '../../src/proto/rtp/sender.ts';
import { Ear } from './ear.ts';
import { levelDb, strongestHz, toneDb } from './spectrum.ts';
import { Talker } from './talker.ts';
import { openTone } from './tone.ts';

const FORMATS: Format[] = [
  { codec: 'opus', clockRate: 48000, channels: 2 },
  { codec: 'G722', clockRate: 8000 },
  { codec: 'PCMU', clockRate: 8000 },
  { codec: 'PCMA', clockRate: 8000 },
];

/** Time that moves by hand. */
class HandClock implements Clock {
  t = 0;
  #due: { at: number; run: () => void }[] = [];
  now(): number {
    return this.t;
  }
  at(when: number, run: () => void): () => void {
    const timer = { at: when, run };
    this.#due.push(timer);
    return () => void (this.#due = this.#due.filter(d => d !== timer));
  }
  pass(ms: number): void {
    const end = this.t + ms;
    for (;;) {
      const next = this.#due.filter(d => d.at <= end).toSorted((a, b) => a.at - b.at)[0];
      if (next === undefined) break;
      this.#due = this.#due.filter(d => d !== next);
      this.t = Math.max(this.t, next.at);
      next.run();
    }
    this.t = end;
  }
}

const seeded = (n: number): Buffer => Buffer.alloc(n, 7);
const sine = (hz: number, db: number, samples = 2000): Int16Array =>
  Int16Array.from({ length: samples }, (_, i) =>
    Math.round(32767 * 10 ** (db / 20) * Math.sin((2 * Math.PI * hz * i) / 8000)),
  );

test('a sine reads its own level and pitch', () => {
  for (const [hz, db] of [
    [123, -20],
    [440, -6],
    [1999, -35],
    [3599, -20],
  ] as const) {
    const pcm = sine(hz, db);
    expect(levelDb(pcm)).toBeCloseTo(db, 0);
    expect(toneDb(pcm, hz, 8000)).toBeCloseTo(db, 0);
    expect(toneDb(pcm, hz + 100, 8000)).toBeLessThan(db - 50);
    expect(strongestHz(pcm, 8000)).toBe(hz);
  }
  expect(levelDb(new Int16Array(2000))).toBe(-120);
});

it.each(FORMATS)(
  'a tone goes through $codec and is heard as it was sent, round after round',
  async format => {
    const clock = new HandClock();
    const tone = await openTone(format, 617);
    const receiver = new RtpReceiver();
    const ear = await Ear.open(receiver, [format], 617);
    ear.expect(new Map([[97, format]]));
    const sender = new RtpSender(seeded, 0);
    sender.format(97, format.clockRate);
    const bytes = new Uint8Array(1500);
    const talker = new Talker(tone, clock, (p, now) => {
      ear.rtp(bytes.slice(0, sender.write(p, bytes, now)), now);
    });
    clock.pass(4999); // the loop is 2 s: it is joined twice
    talker.stop();
    clock.pass(1000);
    expect(sender.sent.packets).toBe(250);
    expect(receiver.totals).toMatchObject({ packets: 250, lost: 0 });
    expect(receiver.reception.jitterMs).toBeLessThan(0.01);
    expect(ear.firstAt).toBe(0);
    expect(ear.heard.strongestHz).toBe(617);
    expect(ear.heard.levelDb).toBeCloseTo(-20, 0);
    expect(ear.heard.expectedDb).toBeCloseTo(-20, 0);
    ear.close();
  },
);

it('keeps to a frame length the server asks for', async () => {
  const tone = await openTone(FORMATS[2] as Format, 440, 30);
  expect([tone.frames.length, tone.frameTicks, tone.frames[0]?.length]).toEqual([100, 240, 240]);
});

it('leaves frames out after a stall, with time going on', async () => {
  const clock = new HandClock();
  const said: MediaPacket[] = [];
  const talker = new Talker(await openTone(FORMATS[2] as Format, 440), clock, p => void said.push({ ...p }));
  clock.t = 1000; // nothing ran for a second
  clock.pass(20);
  talker.stop();
  expect(said.length).toBeGreaterThan(5);
  expect(said.length).toBeLessThan(15);
  expect(said.map(p => p.seq)).toEqual(said.map((_, i) => i));
  expect(said.map(p => p.marker)).toEqual(said.map((_, i) => i === 0));
  expect(said.at(-1)?.pts).toBe(51 * 160);
});

it('hears nothing in silence, and nothing of what is no packet', async () => {
  const ear = await Ear.open(new RtpReceiver(), FORMATS, 440);
  ear.expect(new Map([[0, FORMATS[2] as Format]]));
  ear.rtp(Buffer.from('not rtp'), 1);
  expect([ear.firstAt, ear.heard, ear.levelDb]).toEqual([undefined, {}, undefined]);
  const sender = new RtpSender(seeded, 0);
  sender.format(0, 8000);
  const bytes = new Uint8Array(1500);
  const payload = new Uint8Array(160).fill(0xff); // µ-law silence
  for (let i = 0; i < 50; i++) {
    const n = sender.write({ seq: i, pts: i * 160, marker: false, payload }, bytes, i * 20);
    ear.rtp(bytes.slice(0, n), i * 20);
  }
  expect(ear.heard.levelDb).toBeLessThan(-60);
  expect(ear.heard.strongestHz).toBeUndefined();
  expect(ear.heard.expectedDb).toBeLessThan(-60);
  ear.close();
});
