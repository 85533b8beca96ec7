import fc from 'fast-check';
import { expect, it } from 'vitest';
import { readAsk, readTell } from './messages.ts';

const numRuns = Number(process.env.FUZZ_RUNS ?? 200);
const kinds = [
  'join',
  'leave',
  'publish',
  'flow',
  'pull',
  'snapshot',
  'track',
  'notice',
  'event',
  '__proto__',
];

it('any JSON is a message or nothing, and what is read is nothing but what was written', () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.constantFrom(...kinds), fc.nat(), (v, t, n) => {
      const message = typeof v === 'object' && v !== null && !Array.isArray(v) ? { ...v, t, n } : v;
      for (const read of [readAsk, readTell]) {
        const got = read(message);
        if (got !== undefined) expect(got).toEqual(message);
      }
    }),
    { numRuns },
  );
});
