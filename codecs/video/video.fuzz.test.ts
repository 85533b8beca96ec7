import fc from 'fast-check';
import { afterAll, expect, it } from 'vitest';
import type { MediaPacket } from '../../src/contract.ts';
import { openVideoDecoder } from './decoder.ts';
import { fitBlocks, fitInside, gridCells, macroblocks } from './fit.ts';
import { openPattern } from './pattern.ts';
import { planesOf, readPattern } from './pattern-read.ts';
import { copyPacket, h264, openViewer, realClock, until, vp8 } from './testing/tape.ts';
import { openVideoTranscoder } from './transcoder.ts';
import { VideoWorkers } from './workers.ts';

const numRuns = Number(process.env.FUZZ_RUNS ?? 200);
const workers = new VideoWorkers(undefined, 1);
afterAll(() => workers.close());

/** Bytes to overwrite, by place in the packet. */
const damage = fc.array(
  fc.record({
    packet: fc.nat(40),
    at: fc.nat(1200),
    value: fc.nat(255),
    /** Cut here, keeping what is before. */
    cut: fc.boolean(),
  }),
  { minLength: 1, maxLength: 6 },
);

it.each(['H264', 'VP8'] as const)(
  'broken %s costs pictures, never a decoder, a worker or the process',
  async codec => {
    const good: MediaPacket[] = [];
    const pattern = await openPattern({ codec, width: 320, height: 240, fps: 15, colour: 'cyan' });
    for (let i = 0; i < 12; i++) {
      if (i === 6) pattern.requestKey();
      pattern.send(0, p => good.push(copyPacket(p)), 0);
    }
    pattern.close();

    const viewer = await openViewer(codec === 'H264' ? 'VP8' : 'H264');
    const failures: unknown[] = [];
    let formats = 0;
    const transcoder = await openVideoTranscoder(
      codec === 'H264' ? h264() : vp8(),
      codec === 'H264' ? vp8() : h264(),
      {
        bitrateBps: 300_000,
        onPacket: p => viewer.push(p),
        onFormat: () => formats++,
        onKeyNeeded() {},
        onFailed: why => failures.push(why),
        clock: realClock,
        workers,
      },
    );
    const decoder = await openVideoDecoder(codec, p => void readPattern(planesOf(p)));
    await fc.assert(
      fc.asyncProperty(damage, async damages => {
        const bad = good.map(copyPacket);
        for (const { packet, at, value, cut } of damages) {
          const p = bad[packet % bad.length]!;
          const place = at % p.payload.length;
          p.payload[place] = value;
          if (cut) p.payload = p.payload.subarray(0, place + 1);
        }
        transcoder.restart();
        decoder.restart();
        for (const p of bad) {
          transcoder.push(p, 0);
          decoder.push(p);
        }
        await new Promise(resolve => setImmediate(resolve));
      }),
      { numRuns: Math.ceil(numRuns / 4) },
    );
    transcoder.restart();
    const before = viewer.seen.length;
    for (const p of good) transcoder.push({ ...p, pts: p.pts + 90_000_000 }, 0);
    await until(() => viewer.seen.length > before && viewer.seen.at(-1)!.pts >= 90_000_000 + 11 * 6000);
    expect(viewer.seen.at(-1)?.patterns[0]).toMatchObject({ colour: 'cyan', frameNumber: 11 });
    expect([failures, workers.replaced]).toEqual([[], 0]);
    expect(formats).toBeGreaterThan(0);
    transcoder.close();
    decoder.close();
    viewer.close();
  },
);

it('sizes: even, within the limits, of the same shape, inside their boxes', () => {
  const side = fc.integer({ min: 16, max: 4096 });
  fc.assert(
    fc.property(
      side,
      side,
      fc.integer({ min: 99, max: 8192 }),
      fc.integer({ min: 1, max: 9 }),
      (w, h, max, n) => {
        const fit = fitBlocks(w, h, max);
        expect([fit.width % 2, fit.height % 2]).toEqual([0, 0]);
        expect(macroblocks(fit.width, fit.height)).toBeLessThanOrEqual(max);
        expect(fit.width <= w && fit.height <= h).toBe(true);
        if (Math.min(fit.width, fit.height) >= 64)
          expect(Math.abs(Math.log(fit.width / fit.height / (w / h)))).toBeLessThan(0.05);
        for (const cell of gridCells(n, { width: 1280, height: 720 })) {
          const at = fitInside({ width: w, height: h }, cell);
          expect([at.x % 2, at.y % 2, at.width % 2, at.height % 2]).toEqual([0, 0, 0, 0]);
          expect(at.x >= cell.x && at.y >= cell.y).toBe(true);
          expect(at.x + at.width <= cell.x + cell.width && at.y + at.height <= cell.y + cell.height).toBe(
            true,
          );
          expect(cell.x + cell.width <= 1280 && cell.y + cell.height <= 720).toBe(true);
        }
      },
    ),
    { numRuns },
  );
});
