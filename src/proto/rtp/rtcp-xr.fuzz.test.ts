import fc from 'fast-check';
import { expect, test } from 'vitest';
import { readRtcp, writeRtcp } from './rtcp.ts';

const numRuns = Number(process.env.FUZZ_RUNS ?? 200);

test('every bitmap comes out as it went in', () => {
  const run = fc.tuple(fc.integer({ min: 1, max: 200 }), fc.integer({ min: 0, max: 1 }));
  fc.assert(
    fc.property(
      fc.array(run, { minLength: 1, maxLength: 40 }),
      fc.integer({ min: 0, max: 0xffff }),
      (runs, begin) => {
        const came = Uint8Array.from(runs.flatMap(([n, bit]) => Array<number>(n).fill(bit)));
        const xr = { type: 'xr', ssrc: 1, losses: [{ source: 3, begin, came }], delays: [] } as const;
        const bytes = writeRtcp([xr]);
        // An overlong one is for its maker to avoid; readRtcp takes 2048 bytes.
        if (bytes.length <= 2048) expect(readRtcp(bytes)).toEqual([xr]);
      },
    ),
    { numRuns },
  );
});

test('nothing a stranger sends as an extended report throws', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 0, maxLength: 400 }), body => {
      const words = body.length >> 2;
      const b = Buffer.concat([
        Buffer.from([0x80, 207, words >> 8, words & 255]),
        body.subarray(0, words * 4),
      ]);
      readRtcp(b);
    }),
    { numRuns },
  );
});
