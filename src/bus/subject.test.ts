import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkSubject, matcher, subjectWord } from './subject.ts';

describe('subjectWord', () => {
  it('leaves plain words alone and escapes all else', () => {
    expect(subjectWord('room-1_a')).toBe('room-1_a');
    expect(subjectWord('a.b *>')).toBe('a%2Eb%20%2A%3E');
    expect(subjectWord('会')).toBe('%E4%BC%9A');
    expect(subjectWord('')).toBe('%');
  });
  it('is always one valid word and never the same for two texts', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 20 }), fc.string({ maxLength: 20 }), (a, b) => {
        checkSubject(subjectWord(a));
        expect(subjectWord(a)).not.toContain('.');
        expect(subjectWord(a) === subjectWord(b)).toBe(a === b);
      }),
      { numRuns: 200 },
    );
  });
});

describe('matcher', () => {
  it.each([
    ['a.b', 'a.b', true],
    ['a.b', 'a.b.c', false],
    ['a.*', 'a.b', true],
    ['a.*', 'a', false],
    ['a.*', 'a.b.c', false],
    ['*.b', 'a.b', true],
    ['a.>', 'a.b.c', true],
    ['a.>', 'a', false],
    ['>', 'a', true],
  ])('%s on %s: %s', (pattern, subject, is) => expect(matcher(pattern)(subject)).toBe(is));
});
