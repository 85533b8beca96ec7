/** The rows of `npm run bench:loss`, held to the same bounds by the same code, measured for a shorter time. */
import { beforeAll, describe, expect, test } from 'vitest';
import { missing } from '../harness/child.ts';
import { runAudio } from './loss/audio.ts';
import { logSpectralDistanceDb } from './loss/likeness.ts';
import { measureAudio, measureCapped, measureCell, measureVideo, type Run } from './loss/measured.ts';
import { CAPPED, CELLS, POLICED, ROWS, SEEDS, VIDEO_ROWS } from './loss/rows.ts';
import { heard, type Speech, speech } from './loss/speech.ts';

const run: Run = { seeds: SEEDS, measureMs: 30_000 };
const suite = missing('espeak-ng') ? describe.skip : describe;
/** What is told when a bound does not hold. */
const figures = ({ all, ...rest }: { all: readonly { policy: string }[] }): string =>
  JSON.stringify({ policies: all.map(g => g.policy), ...rest });

suite('speech through lossy paths, end to end', () => {
  let said: Speech;
  beforeAll(async () => {
    said = await speech();
  });

  test('is speech in some 24 kbit/s of opus', () => {
    expect(said.frames.length).toBeGreaterThan(1000);
    expect(said.bps).toBeGreaterThan(18_000);
    expect(said.bps).toBeLessThan(26_000);
    expect(Math.min(...said.levels)).toBeLessThan(30);
  });

  test.each(ROWS)('$what', row => {
    const got = measureAudio(row, run, said);
    expect(got.lost).toBeGreaterThan((row.impairment.loss as number) * 0.85); // the link did what it should
    expect(got.holds, figures(got)).toEqual({ rate: true, residual: true, delay: true });
  });

  test('without loss nothing is spent but feedback', () => {
    const got = runAudio({ seed: 1, paths: 1, budgetMs: 100, impairment: {}, measureMs: 30_000 }, said);
    expect(got.residual).toBe(0);
    expect(got.wireBps).toBeLessThan(70_000);
  });

  test.each([
    ['with a queue', CAPPED],
    ['without one', POLICED],
  ])('a link %s that becomes too narrow for what is spent is not drowned', (_, row) => {
    const got = measureCapped(row, run, said);
    expect(got.holds, figures(got)).toEqual({ rate: true, residual: true, drops: true, queue: true });
  });

  test('the distance tells lost frames from none', async () => {
    const some = said.frames.slice(0, 200);
    const clean = await heard(some);
    expect(logSpectralDistanceDb(clean, clean)).toBe(0);
    const holes = (every: number) => heard(some.map((f, i) => (i % every === 0 ? undefined : f)));
    const [few, many] = [await holes(20), await holes(3)];
    expect(logSpectralDistanceDb(clean, few)).toBeGreaterThan(0.2);
    expect(logSpectralDistanceDb(clean, many)).toBeGreaterThan(2 * logSpectralDistanceDb(clean, few));
  });
});

describe('a link that is narrow and lossy from the beginning', () => {
  test.each(CELLS)('$shape of $capBps bit/s with $loss is not drowned', cell => {
    const got = measureCell(cell, run);
    expect(got.holds, figures(got)).toEqual({ rate: true, 'any 10 s': true });
  });
});

describe('pictures through lossy paths, end to end', () => {
  test.each(VIDEO_ROWS)('$what', row => {
    const got = measureVideo(row, run);
    expect(got.holds, figures(got)).toEqual({ rate: true, frames: true, 'layer 0': true });
  });
});
