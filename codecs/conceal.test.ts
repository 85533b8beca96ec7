import { describe, expect, it } from 'vitest';
import { concealer } from './conceal.ts';
import { join, tone, toneDb, totalDb } from './testing/sound.ts';

const biggestStep = (pcm: Int16Array): number =>
  pcm.reduce((most, v, i) => (i === 0 ? most : Math.max(most, Math.abs(v - pcm[i - 1]!))), 0);

describe.each([8000, 16000, 48000])('concealer at %d Hz', rateHz => {
  const ms = rateHz / 1000;

  it('goes on with the same voice, without a click on either side', () => {
    const hz = 210;
    const voice = tone(hz, rateHz, 0.3);
    const gaps = concealer(rateHz);
    const before = voice.slice(0, 200 * ms);
    gaps.heard(before);
    const gap = gaps.conceal(20 * ms).slice();
    const after = voice.slice(220 * ms, 300 * ms);
    gaps.heard(after);
    expect(toneDb(gap.subarray(0, 10 * ms), hz, rateHz, 1)).toBeGreaterThan(-22);
    const steepest = biggestStep(voice);
    expect(biggestStep(join([before, gap, after]))).toBeLessThan(2 * steepest + 2);
  });

  it('fades to nothing within 60 ms of loss', () => {
    const gaps = concealer(rateHz);
    gaps.heard(tone(300, rateHz, 0.1));
    const levels = Array.from({ length: 7 }, () => totalDb(gaps.conceal(10 * ms), 1));
    for (let i = 1; i < 6; i++) expect(levels[i]!).toBeLessThan(levels[i - 1]!);
    expect(levels[6]).toBeLessThan(-100);
  });

  it('is silent when nothing was heard yet', () => {
    expect(
      concealer(rateHz)
        .conceal(20 * ms)
        .every(v => v === 0),
    ).toBe(true);
  });
});
