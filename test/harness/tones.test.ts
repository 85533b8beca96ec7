import { describe, expect, it } from 'vitest';
import { judge, levelAt, listen, Schedule, TONES_HZ } from './tones.ts';
import type { Sound } from './wav.ts';

const mix = (...sounds: Sound[]): Sound => {
  const samples = new Float32Array(Math.max(...sounds.map(s => s.samples.length)));
  for (const s of sounds) s.samples.forEach((v, i) => void (samples[i] = (samples[i] as number) + v));
  return { rateHz: sounds[0]?.rateHz ?? 0, samples };
};

describe('tones', () => {
  it('keep clear of each other’s second- and third-order products', () => {
    for (const a of TONES_HZ)
      for (const b of TONES_HZ) {
        if (a === b) continue;
        const products = [2 * a - b, a + b, Math.abs(a - b), 2 * a];
        for (const c of TONES_HZ)
          for (const p of products) expect(Math.abs(c - p), `${a} ${b} ${c}`).toBeGreaterThan(40);
      }
  });
  it('are measured at their level', () => {
    const s = new Schedule(0, 3).soundOf(1, 0);
    expect(levelAt(s, 48000 * 2.5, 4800, TONES_HZ[1] as number)).toBeCloseTo(-20, 0);
    expect(levelAt(s, 48000 * 2.5, 4800, TONES_HZ[2] as number)).toBeLessThan(-70);
  });
});

describe('judge', () => {
  const plan = new Schedule(1000, 4);
  const all = [0, 1, 2, 3].map(i => plan.soundOf(i, 0, 8000));
  const but = (self: number) => all.filter((_, i) => i !== self);
  it('is content when all others sound and oneself does not', () => {
    const v = judge(listen(mix(...but(2)), 4), 2);
    expect(v.notAlone).toEqual([]);
    expect(v.togetherMs).toBeGreaterThan(3000);
    expect(v.ownBelowDb).toBeGreaterThan(40);
  });
  it('names who is missing', () => {
    const v = judge(listen(mix(all[0] as Sound, all[3] as Sound), 4), 2);
    expect(v.notAlone).toEqual([1]);
    expect(v.togetherMs).toBe(0);
  });
  it('hears an echo of oneself', () => {
    expect(judge(listen(mix(...all), 4), 2).ownBelowDb).toBeLessThan(3);
  });
});
