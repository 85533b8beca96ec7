import { describe, expect, it } from 'vitest';
import { type Measured, quality } from './quality.ts';

const clean: Measured = { codec: 'PCMU', lossPercent: 0, jitterMs: 0, delayMs: 20 };

describe('quality', () => {
  it('gives a clean call what G.107 gives one: R above 92, MOS 4.4', () => {
    const q = quality(clean);
    expect(q.rating).toBeGreaterThan(92);
    expect(q.mos).toBeCloseTo(4.39, 1);
    expect(q.reason).toBe('nothing is wrong');
  });

  it('matches G.107 for G.711 with concealment at 5 % random loss', () => {
    // Ie,eff = 95 · 5 / (5 + 25.1) = 15.8; Id = 0.024 · 40 ms = 0.96; R = 76.5; MOS = 3.88
    const q = quality({ ...clean, lossPercent: 5 });
    expect(q.rating).toBeCloseTo(76.46, 1);
    expect(q.mos).toBeCloseTo(3.88, 1);
    expect(q.reason).toBe('loss of 5.0 % (0.5 of 4.4 points)');
  });

  it('bends at 177 ms and names the delay', () => {
    const near = quality({ ...clean, delayMs: 150 });
    const far = quality({ ...clean, delayMs: 400 });
    expect(near.mos).toBeGreaterThan(4.2);
    expect(far.rating).toBeCloseTo(93.2 - 0.024 * 420 - 0.11 * (420 - 177.3), 5);
    expect(far.reason).toMatch(/^a delay of 420 ms \(/);
  });

  it('names jitter when the buffer it forces is what hurts', () => {
    expect(quality({ ...clean, jitterMs: 200 }).reason).toMatch(/^jitter of 200 ms \(/);
  });

  it('never rises with loss, delay or jitter, and stays between 1 and 4.5', () => {
    for (const codec of ['PCMU', 'PCMA', 'G722', 'opus', 'AAC'] as const)
      for (const field of ['lossPercent', 'delayMs', 'jitterMs'] as const) {
        let last = 4.5;
        for (let value = 0; value <= 1000; value += 5) {
          const { mos } = quality({ ...clean, codec, [field]: value });
          expect(mos).toBeLessThanOrEqual(last + 1e-9);
          expect(mos).toBeGreaterThanOrEqual(1);
          last = mos;
        }
      }
  });

  it('bursts hurt more than random loss, and robust codecs less than fragile ones', () => {
    const at = (codec: Measured['codec'], burstRatio = 1) =>
      quality({ ...clean, codec, burstRatio, lossPercent: 5 }).mos;
    expect(at('PCMU', 2)).toBeLessThan(at('PCMU'));
    expect(at('opus')).toBeGreaterThan(at('PCMU'));
    expect(at('G722')).toBeLessThan(at('PCMU'));
  });

  it('takes nonsense for nothing', () => {
    const q = quality({ codec: 'opus', lossPercent: Number.NaN, jitterMs: -5, delayMs: Number.NaN });
    expect(q.mos).toBeGreaterThan(4.3);
  });
});
