import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ReplayWindow } from './replay.ts';

test('agrees with a plain set of what was seen', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: -70, max: 200 }), { maxLength: 300 }), steps => {
      const window = new ReplayWindow(64);
      const seen = new Set<number>();
      let at = 2 ** 40; // far beyond 32 bits: indexes are 48 bits wide
      let highest = -1;
      for (const step of steps) {
        at += step;
        const expected = at <= highest - 64 ? 'too-old' : seen.has(at) ? 'replayed' : 'new';
        expect(window.check(at)).toBe(expected);
        if (expected !== 'new') continue;
        window.accept(at);
        seen.add(at);
        highest = Math.max(highest, at);
        expect(window.highest).toBe(highest);
      }
    }),
  );
});
