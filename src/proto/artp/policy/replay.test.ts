import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { AudioPolicy, VideoPolicy } from '../media/policy-types.ts';
import { RED_PATTERNS } from '../media/red-patterns.ts';
import { AudioReplay, type Reach } from './audio-replay.ts';
import { type Fates, fates } from './bitmaps.testing.ts';
import { simulateAudio, simulateVideo } from './brute-force.testing.ts';
import { channelsOf } from './channel.ts';
import { MOST_REPAIR, repairPackets, VideoReplay } from './video-replay.ts';

const numRuns = Number(process.env.FUZZ_RUNS ?? 60);

const link = fc.record({
  seed: fc.integer({ min: 1, max: 1e6 }),
  loss: fc.double({ min: 0, max: 0.95, noNaN: true }),
  burstMs: fc.option(fc.integer({ min: 20, max: 300 }), { nil: undefined }),
  copies: fc.integer({ min: 1, max: 4 }),
  seconds: fc.double({ min: 0.6, max: 10, noNaN: true }),
});
const links = fc.array(link, { minLength: 1, maxLength: 2 });
const viewsOf = (all: readonly { burstMs: number | undefined }[]) =>
  all.map(l => {
    const { burstMs, ...rest } = l as Fates & { burstMs: number | undefined };
    return fates(burstMs === undefined ? rest : { ...rest, burstMs });
  });

describe('the replay agrees with a simulation of every packet', () => {
  test('for sound', () => {
    const reach = fc.record({
      budget: fc.integer({ min: 0, max: 20 }),
      roundTrip: fc.integer({ min: 1, max: 12 }),
      recent: fc.integer({ min: 1, max: 120 }),
    });
    const policy = fc.record({
      pattern: fc.integer({ min: 0, max: RED_PATTERNS.length - 1 }),
      copies: fc.constantFrom(1 as const, 2 as const, 3 as const, 4 as const),
      twoPaths: fc.boolean(),
      nack: fc.boolean(),
    });
    fc.assert(
      fc.property(links, reach, fc.array(policy, { minLength: 3, maxLength: 8 }), (all, r, policies) => {
        const channels = channelsOf(viewsOf(all), 20);
        const replay = new AudioReplay(channels, r);
        for (const some of policies) {
          // A pattern reaches no further than the budget.
          if ((RED_PATTERNS[some.pattern]!.at(-1) ?? 0) > r.budget) continue;
          const p: AudioPolicy = { kind: 'audio', ...some, twoPaths: some.twoPaths && channels.length > 1 };
          const { all: missing, recent } = replay.missing(p);
          const slow = simulateAudio(p, channels, r);
          expect(missing).toBeCloseTo(slow.all, 10);
          expect(recent).toBeCloseTo(slow.recent, 10);
        }
      }),
      { numRuns },
    );
  });

  test('for pictures', () => {
    const policy = fc.record({
      nackCopies: fc.constantFrom(0 as const, 1 as const, 2 as const, 3 as const),
      repair: fc.tuple(fc.constant(1), fc.constantFrom(0, 0.2, 0.5, 1, 1.5), fc.constantFrom(0, 0.2, 0.5)),
      copies: fc.constantFrom(1 as const, 2 as const),
      twoPaths: fc.boolean(),
    });
    const picture = fc.record({
      packets: fc.integer({ min: 1, max: 6 }),
      tries: fc.integer({ min: 0, max: 3 }),
      layers: fc.constantFrom(1, 2),
    });
    fc.assert(
      fc.property(links, picture, fc.integer({ min: 1, max: 5 }), policy, (all, pic, roundTrip, some) => {
        const channels = channelsOf(viewsOf(all), 40);
        const reach: Reach = { budget: pic.tries * roundTrip, roundTrip, recent: 50 };
        const replay = new VideoReplay(channels, reach, pic.packets, pic.tries, pic.layers);
        const p: VideoPolicy = { kind: 'video', ...some, twoPaths: some.twoPaths && channels.length > 1 };
        const most = pic.packets + repairPackets(pic.packets, MOST_REPAIR);
        const slow = simulateVideo(p, channels, reach, { ...pic, most });
        const { all: missing, recent } = replay.missing(p);
        expect(missing).toBeCloseTo(slow.all, 10);
        expect(recent).toBeCloseTo(slow.recent, 10);
      }),
      { numRuns },
    );
  });
});

describe('what more copies would do is foretold from one', () => {
  const red5 = RED_PATTERNS.findIndex(p => p.join() === '1,2,3,4,5');
  const red2 = RED_PATTERNS.findIndex(p => p.join() === '1,2');
  const reach: Reach = { budget: 5, roundTrip: 5, recent: 100 };
  const missing = (o: Fates, pattern: number, copies: AudioPolicy['copies']): number => {
    const p: AudioPolicy = { kind: 'audio', pattern, copies, twoPaths: false, nack: false };
    return new AudioReplay(channelsOf([fates(o)], 20), reach).missing(p).all;
  };
  const mean = (f: (seed: number) => number): number => {
    let sum = 0;
    for (let seed = 1; seed <= 40; seed++) sum += f(seed);
    return sum / 40;
  };

  test.each([
    [0.5, 2 as const],
    [0.7, 3 as const],
    [0.8, 4 as const],
  ])('chance: %d lost, ×%i', (loss, copies) => {
    const foretold = mean(seed => missing({ seed, loss }, red2, copies));
    const happened = mean(seed => missing({ seed: seed + 1000, loss, copies }, red2, copies));
    const exact = loss ** (3 * copies);
    expect(happened).toBeGreaterThan(exact * 0.7);
    expect(happened).toBeLessThan(exact * 1.4);
    expect(foretold).toBeGreaterThan(exact * 0.6);
    expect(foretold).toBeLessThan(exact * 1.6);
  });

  test('bursts: nothing is promised, and a little is held', () => {
    const burst = { loss: 0.5, burstMs: 80 };
    const once = mean(seed => missing({ ...burst, seed }, red5, 1));
    const foretold = mean(seed => missing({ ...burst, seed }, red5, 4));
    const happened = mean(seed => missing({ ...burst, seed: seed + 1000, copies: 4 }, red5, 4));
    expect(foretold).toBeCloseTo(once, 5);
    expect(happened).toBeLessThan(foretold * 1.1);
    expect(happened).toBeGreaterThan(foretold * 0.4);
  });
});
