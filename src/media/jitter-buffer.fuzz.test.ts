import fc from 'fast-check';
import { expect, it } from 'vitest';
import { JitterBuffer } from './jitter-buffer.ts';

const numRuns = Number(process.env.FUZZ_RUNS ?? 200);

const step = fc.record({
  seq: fc.oneof(fc.integer({ min: 0, max: 80 }), fc.integer({ min: 0, max: 2 ** 40 })),
  pts: fc.oneof(fc.integer({ min: 0, max: 20_000 }), fc.integer({ min: 0, max: 2 ** 45 })),
  level: fc.option(fc.integer({ min: 0, max: 127 }), { nil: undefined }),
  bytes: fc.oneof(fc.constantFrom(80, 160, 480), fc.integer({ min: 0, max: 5000 })),
  passedMs: fc.oneof(fc.constant(0), fc.constant(20), fc.integer({ min: 0, max: 5000 })),
  blocks: fc.integer({ min: 0, max: 4 }),
});

it('whatever comes, it never throws, always moves on, and never goes back', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120 }), steps => {
      const buffer = new JitterBuffer(8000, p => (p.length <= 1920 ? p.length : 0));
      let now = 0;
      let restarts = 0;
      let last = Number.NEGATIVE_INFINITY;
      for (const { seq, pts, level, bytes, passedMs, blocks } of steps) {
        now += passedMs;
        const payload = new Uint8Array(bytes);
        buffer.insert({ seq, pts, marker: false, payload, ...(level !== undefined && { level }) }, now);
        for (let i = 0; i < blocks; i++) {
          const got = buffer.next(now + i * 20);
          expect(buffer.ticks).toBeGreaterThan(0);
          if (typeof got === 'string') continue;
          expect(got.payload.length).toBe(buffer.ticks);
          if (buffer.drops.get('restart') === restarts) expect(got.seq).toBeGreaterThan(last);
          restarts = buffer.drops.get('restart');
          last = got.seq;
        }
      }
      expect(buffer.targetMs).toBeGreaterThanOrEqual(20);
      expect(buffer.targetMs).toBeLessThanOrEqual(120);
    }),
    { numRuns },
  );
});
