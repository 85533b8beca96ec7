import { describe, expect, it } from 'vitest';
import { accumulate, Limiter } from './mixer.ts';

const N = 960;
const sine = (hz: number, peak: number): Int16Array =>
  Int16Array.from({ length: N }, (_, i) => Math.round(peak * Math.sin((2 * Math.PI * hz * i) / 48000)));
const sumOf = (...voices: Int16Array[]): Int32Array => {
  const sum = new Int32Array(N);
  for (const voice of voices) accumulate(sum, voice);
  return sum;
};

describe('mixing', () => {
  it('minus-one is exact: without its owner the others remain, bit by bit', () => {
    const [a, b, c] = [sine(400, 9000), sine(700, 9000), sine(1100, 9000)];
    const out = new Int16Array(N);
    new Limiter().apply(sumOf(a, b, c), sumOf(b), out, 96);
    expect(out).toEqual(Int16Array.from(a, (v, i) => v + c[i]!));
  });

  it('leaves what fits untouched', () => {
    const out = new Int16Array(N);
    new Limiter().apply(sumOf(sine(500, 30_000)), undefined, out, 96);
    expect(out).toEqual(sine(500, 30_000));
  });
});

describe('Limiter', () => {
  it('turns down instead of clipping', () => {
    const limiter = new Limiter();
    const out = new Int16Array(N);
    const sum = sumOf(...Array.from({ length: 8 }, () => sine(500, 20_000)));
    limiter.apply(sum, undefined, out, 96);
    limiter.apply(sum, undefined, out, 96);
    expect(Math.max(...out)).toBeLessThanOrEqual(31_000);
    const scaled = Int16Array.from(sum, v => Math.round((v * 31_000) / 160_000));
    for (let i = 0; i < N; i++) expect(Math.abs(out[i]! - scaled[i]!)).toBeLessThanOrEqual(1);
  });

  it('never leaves 16 bits, also in its attack', () => {
    const out = new Int16Array(N);
    new Limiter().apply(new Int32Array(N).fill(250_000), undefined, out, 96);
    expect(out[0]).toBe(32767);
    new Limiter().apply(new Int32Array(N).fill(-250_000), undefined, out, 96);
    expect(out[0]).toBe(-32768);
  });

  it('comes back slowly, and all the way', () => {
    const limiter = new Limiter();
    const out = new Int16Array(N);
    limiter.apply(new Int32Array(N).fill(124_000), undefined, out, 96);
    expect(limiter.gain).toBe(0.25);
    const gains = Array.from({ length: 60 }, () => {
      limiter.apply(new Int32Array(N).fill(1000), undefined, out, 96);
      return limiter.gain;
    });
    expect(gains[0]).toBeCloseTo(0.2625);
    expect(gains.at(-1)).toBe(1);
    expect(gains.every((g, i) => i === 0 || g >= gains[i - 1]!)).toBe(true);
  });
});
