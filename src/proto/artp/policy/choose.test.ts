import { describe, expect, test } from 'vitest';
import { type AudioPolicy, PLAIN_AUDIO, PLAIN_VIDEO, type VideoPolicy } from '../media/policy-types.ts';
import { RED_PATTERNS } from '../media/red-patterns.ts';
import { fates } from './bitmaps.testing.ts';
import type { Choice, PolicyInput } from './choice.ts';
import { choosePolicy } from './choose.ts';
import { audioCandidates } from './choose-audio.ts';
import { audioBps } from './cost.ts';

const CALL = {
  media: 'audio',
  rttMs: 100,
  budgetMs: 100,
  sourceBps: 24_000,
  packetMs: 20,
  availableBps: 2_000_000,
} as const;
const sound = (o: Partial<PolicyInput> & Pick<PolicyInput, 'paths'>): Choice<AudioPolicy> =>
  choosePolicy({ ...CALL, ...o }) as Choice<AudioPolicy>;
const blocks = (c: Choice<AudioPolicy>): readonly number[] => RED_PATTERNS[c.policy.pattern]!;

test("the design's figures are what its packets weigh", () => {
  const depth5 = { ...PLAIN_AUDIO, pattern: 5 };
  const spread = { ...PLAIN_AUDIO, pattern: RED_PATTERNS.findIndex(p => p.join() === '1,2,4,8,12,16') };
  // All but the trailer, 7 bytes a packet.
  const trailerBps = 7 * 8 * 50;
  expect(audioBps(depth5, 60, 20) - trailerBps).toBe(178_000);
  expect(audioBps(spread, 60, 20) - trailerBps).toBeCloseTo(204_000, -3);
  expect(audioBps({ ...depth5, copies: 4 }, 60, 20) - 4 * trailerBps).toBe(712_000);
});

describe('sound', () => {
  test('a clean path is worth nothing more', () => {
    const choice = sound({ paths: [fates({ seed: 1, loss: 0 })] });
    expect(choice.policy).toEqual(PLAIN_AUDIO);
    expect(choice).toMatchObject({ residual: 0, enough: true, delayMs: 0 });
  });

  test('of a path nothing is known of, two earlier packets are carried again', () => {
    const choice = sound({
      paths: [{ sentAt: new Float64Array(0), lost: new Uint8Array(0), availableBps: 1e6, rttMs: undefined }],
    });
    expect(blocks(choice)).toEqual([1, 2]);
  });

  test.each([
    [0.1, 110_000],
    [0.3, 190_000],
    [0.5, 365_000],
    [0.7, 560_000],
    [0.8, 745_000],
  ])('%d of all packets lost by chance: enough for at most %i bit/s', (loss, bps) => {
    for (let seed = 1; seed <= 10; seed++) {
      const copies = loss < 0.4 ? 1 : loss < 0.6 ? 2 : loss < 0.75 ? 3 : 4;
      const choice = sound({ paths: [fates({ seed, loss, copies })] });
      expect(choice.enough || choice.residual < 0.02).toBe(true);
      expect(choice.bitrateBps).toBeLessThanOrEqual(bps * (loss > 0.6 ? 1.15 : 1));
    }
  });

  test('nothing enough is cheaper than what is chosen', () => {
    for (let seed = 1; seed <= 10; seed++) {
      const paths = [fates({ seed, loss: 0.05 * seed })];
      const choice = sound({ paths });
      if (!choice.enough) continue;
      for (const policy of audioCandidates({ ...CALL, paths })) {
        const other = sound({ paths, availableBps: choice.bitrateBps * 0.98 });
        expect(other.enough, JSON.stringify(policy)).toBe(false);
        break;
      }
    }
  });

  test('what adds more delay than the budget has is not considered', () => {
    for (const budgetMs of [0, 20, 60, 100, 320])
      for (let seed = 1; seed <= 4; seed++) {
        const choice = sound({ paths: [fates({ seed, loss: 0.4, burstMs: 100 })], budgetMs });
        expect(choice.delayMs).toBeLessThanOrEqual(budgetMs);
        expect((blocks(choice).at(-1) ?? 0) * 20).toBeLessThanOrEqual(budgetMs);
      }
  });

  test('NACK is for round trips within the budget, and cheapest there', () => {
    const paths = [fates({ seed: 2, loss: 0.02 })];
    expect(sound({ paths, rttMs: 30 }).policy).toMatchObject({ nack: true, pattern: 0 });
    expect(sound({ paths, rttMs: 300 }).policy.nack).toBe(false);
    expect(sound({ paths, rttMs: undefined }).policy.nack).toBe(false);
  });

  test('bursts are fought with distance or another path, not with copies', () => {
    for (let seed = 1; seed <= 10; seed++) {
      const burst = { loss: 0.3, burstMs: 80 };
      const one = fates({ ...burst, seed });
      const far = sound({ paths: [one], budgetMs: 320 });
      expect(far.policy.copies).toBe(1);
      expect(far.bitrateBps).toBeLessThan(212_000);
      const both = sound({ paths: [one, fates({ ...burst, seed: seed + 100 })] });
      expect(both.policy).toMatchObject({ copies: 1, twoPaths: true });
      expect(both.bitrateBps).toBeLessThan(427_000);
    }
  });

  test('what the paths do not take is not chosen', () => {
    const paths = [fates({ seed: 3, loss: 0.5 })];
    for (const availableBps of [60_000, 110_000, 190_000, 300_000])
      expect(sound({ paths, availableBps }).bitrateBps).toBeLessThanOrEqual(availableBps);
    const narrow = { ...fates({ seed: 4, loss: 0.5 }), availableBps: 60_000 };
    const choice = sound({ paths: [...paths, narrow] });
    expect(choice.policy.twoPaths && choice.pathBps > 60_000).toBe(false);
  });

  test('where not even the bare packets fit they are sent bare', () => {
    const choice = sound({ paths: [fates({ seed: 3, loss: 0.5 })], availableBps: 10_000 });
    expect(choice.policy).toEqual(PLAIN_AUDIO);
    expect(choice.enough).toBe(false);
  });

  test('a path that lets nothing through is not worth copies', () => {
    const choice = sound({ paths: [fates({ seed: 3, loss: 1 })] });
    expect(choice.policy).toEqual(PLAIN_AUDIO);
  });

  test('an onset shows before the ten seconds are full of it', () => {
    const [clean, bad] = [fates({ seed: 1, loss: 0 }), fates({ seed: 1, loss: 0.5 })];
    const onset = clean.lost.map((l, i) => (i > 425 ? bad.lost[i]! : l)); // the last 1.5 s
    const choice = sound({ paths: [{ ...clean, lost: onset }] });
    expect(choice.bitrateBps).toBeGreaterThan(125_000); // three earlier packets with each, at least
  });

  test('copies that would miss the playout time leave together', () => {
    const paths = [fates({ seed: 1, loss: 0.8, copies: 4 })];
    expect(sound({ paths }).policy).toMatchObject({ pattern: 5, copies: 4, atOnce: true });
    expect(sound({ paths, budgetMs: 119 }).policy.atOnce).toBeUndefined();
  });

  test('what is in use stays among equals', () => {
    const paths = [fates({ seed: 5, loss: 0.1 })];
    const first = sound({ paths });
    const equals = RED_PATTERNS.map((p, pattern) => ({ p, pattern })).filter(
      ({ p }) => p.length === blocks(first).length && p.at(-1)! <= 5,
    );
    for (const { pattern } of equals) {
      const again = sound({ paths, held: { ...PLAIN_AUDIO, pattern } });
      expect(again.bitrateBps).toBeCloseTo(first.bitrateBps, -3);
    }
    expect(sound({ paths, held: first.policy }).policy).toEqual(first.policy);
  });

  test('is pure: the same input, the same choice, and the input as it was', () => {
    const paths = [fates({ seed: 8, loss: 0.4 }), fates({ seed: 9, loss: 0.2, burstMs: 60 })];
    const before = paths.map(p => [...p.lost]);
    expect(sound({ paths })).toEqual(sound({ paths }));
    expect(paths.map(p => [...p.lost])).toEqual(before);
  });
});

describe('pictures', () => {
  const VIDEO = { ...CALL, media: 'video', budgetMs: 300, sourceBps: 300_000, packetMs: 66 } as const;
  const pictures = (o: Partial<PolicyInput> & Pick<PolicyInput, 'paths'>): Choice<VideoPolicy> =>
    choosePolicy({ ...VIDEO, ...o }) as Choice<VideoPolicy>;
  const path = (loss: number, seed = 1) => fates({ seed, loss, tickMs: 66, copies: 3 });

  test('a clean path costs nothing but headers', () => {
    const choice = pictures({ paths: [path(0)] });
    expect(choice.policy).toMatchObject({ repair: PLAIN_VIDEO.repair, copies: 1 });
    expect(choice.sourceBps).toBe(300_000);
    expect(choice.bitrateBps).toBeLessThan(330_000);
  });

  test('NACK alone holds 10 % at 100 ms', () => {
    const choice = pictures({ paths: [path(0.1)] });
    expect(choice.enough).toBe(true);
    expect(choice.bitrateBps).toBeLessThan(600_000);
  });

  test('30 % at 300 ms takes more, and no more than the design says', () => {
    const choice = pictures({ paths: [path(0.3)], rttMs: 300, budgetMs: 700, temporalLayers: 2 });
    expect(choice.residual).toBeLessThan(0.03);
    expect(choice.bitrateBps).toBeLessThan(1_320_000);
    const [key, base, above] = choice.policy.repair;
    expect(key).toBeGreaterThanOrEqual(base);
    expect(base).toBeGreaterThanOrEqual(above);
  });

  test('what does not fit lowers the source', () => {
    const choice = pictures({ paths: [path(0.3)], availableBps: 250_000 });
    expect(choice.sourceBps).toBeLessThan(300_000);
    expect(choice.bitrateBps).toBeLessThanOrEqual(250_000);
    const bare = pictures({ paths: [path(0)], availableBps: 200_000 });
    expect(bare.sourceBps).toBeLessThan(200_000);
  });
});
