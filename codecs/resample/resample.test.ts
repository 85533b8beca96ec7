import { describe, expect, it } from 'vitest';
import { join, noise, snrDb, tone, toneDb, totalDb } from '../testing/sound.ts';
import { resampler } from './resample.ts';

const PAIRS = [
  [8000, 16000],
  [8000, 48000],
  [16000, 48000],
  [48000, 8000],
  [48000, 16000],
  [16000, 8000],
  [32000, 48000],
  [44100, 48000],
  [22050, 48000],
  [44100, 8000],
] as const;

describe.each(PAIRS)('%d Hz to %d Hz', (from, to) => {
  const low = Math.min(from, to);

  it('passes speech untouched: within 0.1 dB up to 0.42 of the lower rate', () => {
    for (const share of [0.01, 0.1, 0.25, 0.4, 0.42]) {
      const hz = share * low;
      const out = resampler(from, to).process(tone(hz, from, 1));
      expect(toneDb(out, hz, to), `${hz} Hz`).toBeGreaterThan(-20.1);
      expect(toneDb(out, hz, to), `${hz} Hz`).toBeLessThan(-19.9);
    }
  });

  it('stops what does not fit, and its images, by 60 dB', () => {
    for (const share of [0.54, 0.6, 0.75, 0.9]) {
      const hz = share * low;
      if (from > to) {
        const out = resampler(from, to).process(tone(hz, from, 1, -3));
        expect(totalDb(out), `${hz} Hz`).toBeLessThan(-63);
      } else {
        const source = low - hz; // its image is at `hz`
        const out = resampler(from, to).process(tone(source, from, 1, -3));
        expect(toneDb(out, hz, to), `image at ${hz} Hz`).toBeLessThan(-63);
      }
    }
  });

  it('makes the same stream of any blocks, neither a sample more nor less', () => {
    const pcm = noise(from);
    const whole = resampler(from, to).process(pcm).slice();
    expect(Math.abs(whole.length - to)).toBeLessThanOrEqual(1);
    const stage = resampler(from, to);
    const parts: Int16Array[] = [];
    for (let at = 0, size = 1; at < pcm.length; at += size, size = (size * 7 + 3) % 1000)
      parts.push(stage.process(pcm.subarray(at, at + size)).slice());
    expect(join(parts)).toEqual(whole);
  });
});

describe('resampler', () => {
  it('gives whole blocks for whole blocks where rates divide', () => {
    for (const [from, to] of [
      [8000, 48000],
      [48000, 16000],
    ] as const) {
      const stage = resampler(from, to);
      for (let i = 0; i < 10; i++) expect(stage.process(new Int16Array(from / 50)).length).toBe(to / 50);
    }
  });

  it('is nothing at all between equal rates', () => {
    const pcm = noise(160);
    expect(resampler(8000, 8000).process(pcm)).toBe(pcm);
  });

  it('delays by what it says, and by less than 3 ms', () => {
    for (const [from, to] of [
      [8000, 48000],
      [48000, 8000],
    ] as const) {
      const stage = resampler(from, to);
      const out = stage.process(tone(700, from, 1)).slice();
      expect(stage.delay / from).toBeLessThan(0.003);
      const late = stage.delay * (to / from);
      const ideal = Int16Array.from(out, (_, i) =>
        Math.round(3276.7 * Math.sin((2 * Math.PI * 700 * (i - late)) / to)),
      );
      expect(snrDb(ideal, out)).toBeGreaterThan(50);
    }
  });

  it('clips instead of wrapping', () => {
    const loud = Int16Array.from({ length: 800 }, (_, i) => (i % 16 < 8 ? 32767 : -32768));
    const out = resampler(8000, 48000).process(loud);
    const settled = out.subarray(1000);
    expect(Math.max(...settled)).toBe(32767); // the ringing beyond full scale
    expect(Math.min(...settled)).toBe(-32768);
    expect(totalDb(out)).toBeGreaterThan(1);
  });
});
