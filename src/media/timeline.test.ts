import { describe, expect, it } from 'vitest';
import { Steady, Timeline } from './timeline.ts';

describe('Timeline', () => {
  it('puts two streams that arrive together at the same time', () => {
    const sound = new Timeline(48000);
    const picture = new Timeline(90000);
    sound.arrived(7_000_000, 1000);
    picture.arrived(123, 1000);
    sound.arrived(7_000_000 + 4800, 1100);
    picture.arrived(123 + 9000, 1100);
    expect(sound.at(7_000_000 + 4800)).toBeCloseTo(1100);
    expect(picture.at(123 + 9000)).toBeCloseTo(1100);
  });

  it('knows nothing before an arrival', () => {
    expect(new Timeline(8000).at(160)).toBeUndefined();
  });

  it('is not moved by late packets, and follows a fast clock slowly', () => {
    const t = new Timeline(1000);
    for (let now = 0; now < 60_000; now += 20) t.arrived(now * 1.001, now + (now % 100 === 0 ? 0 : 30));
    const now = 60_000;
    expect(Math.abs((t.at(now * 1.001) as number) - now)).toBeLessThan(15);
  });

  it('a late beginning is mended at once, later ones slowly', () => {
    const t = new Timeline(1000);
    t.arrived(0, 300);
    t.arrived(280, 320);
    expect(t.at(280)).toBe(320);
    t.arrived(5000, 5045);
    t.arrived(8000, 8000);
    expect(t.at(8000)).toBe(8030);
  });

  it('jumps when the stream does', () => {
    const t = new Timeline(1000);
    t.arrived(0, 0);
    t.arrived(5000, 100);
    expect(t.at(5000)).toBe(100);
    for (let now = 200; now < 5000; now += 100) t.arrived(now, now + 3000);
    expect(t.at(4900)).toBe(7900);
  });
});

describe('Steady', () => {
  it('follows as fast as told, and takes what is far off at once', () => {
    const s = new Steady(20, 40);
    expect(s.value).toBeUndefined();
    s.measured(60, 0);
    expect(s.value).toBe(60);
    s.measured(90, 500);
    expect(s.value).toBe(70);
    s.measured(90, 10_000);
    expect(s.value).toBe(90);
    s.measured(20, 10_020);
    expect(s.value).toBe(20);
    s.measured(0, 10_020);
    expect(s.value).toBe(20);
  });
});
