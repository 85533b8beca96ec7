import { describe, expect, it } from 'vitest';
import { Backlog } from './backlog.ts';
import { SampleLine } from './sample-line.ts';
import { WireClock } from './wire-clock.ts';

describe('WireClock', () => {
  it('never wraps', () => {
    const c = new WireClock();
    const before = c.ms(0xffffffff - 10, 0);
    expect(c.ms(9, 20) - before).toBe(20);
  });

  it('keeps small steps back, for sound and picture are not in step', () => {
    const c = new WireClock();
    const base = c.ms(1000, 0);
    expect([c.ms(1040, 40), c.ms(1021, 41)].map(ms => ms - base)).toEqual([40, 21]);
  });

  it('goes on where it was when an encoder begins anew or leaps', () => {
    const c = new WireClock();
    const base = c.ms(500_000, 0);
    expect(c.ms(0, 100) - base).toBe(100);
    expect(c.ms(20, 120) - base).toBe(120);
    expect(c.ms(9_000_000, 140) - base).toBe(140);
    expect(c.ms(9_000_020, 160) - base).toBe(160);
  });

  it('follows a pause that really took that long', () => {
    const c = new WireClock();
    const base = c.ms(0, 0);
    expect(c.ms(60_000, 60_000) - base).toBe(60_000);
  });
});

describe('SampleLine', () => {
  it('counts samples through rounded timestamps', () => {
    const line = new SampleLine(48000);
    for (let i = 0; i < 1000; i++) expect(line.base(Math.round((i * 1024) / 48), 1024)).toBe(0);
    expect(line.counted).toBe(1_024_000);
  });

  it('takes a gap from the timestamps', () => {
    const line = new SampleLine(48000);
    line.base(0, 960);
    expect(line.base(20, 960)).toBe(0);
    expect(line.base(540, 960)).toBe(500 * 48);
    expect(line.base(560, 960)).toBe(500 * 48);
  });
});

describe('Backlog', () => {
  it('tells the age of the oldest unsent byte', () => {
    const b = new Backlog();
    expect(b.ageMs(0, 0)).toBe(0);
    b.wrote(100, 1000);
    b.wrote(100, 1500);
    expect(b.ageMs(200, 2000)).toBe(1000);
    expect(b.ageMs(100, 2000)).toBe(500);
    expect(b.ageMs(1, 2000)).toBe(500);
    expect(b.ageMs(0, 2000)).toBe(0);
  });
});
