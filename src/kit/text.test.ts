import fc from 'fast-check';
import { expect, test } from 'vitest';
import { checkText, MAX_TEXT_BYTES, textFault } from './text.ts';

test('bytes are those of UTF-8', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), text => {
      const long = `${text}${'a'.repeat(5000)}`;
      const isWellFormed = Buffer.from(text).toString() === text;
      if (isWellFormed) expect(textFault(long)).toContain(` ${Buffer.byteLength(long)}:`);
    }),
  );
});

test('4096 bytes pass, 4097 are refused in words', () => {
  expect(MAX_TEXT_BYTES).toBe(4096);
  expect(textFault('é'.repeat(2048))).toBeUndefined();
  expect(() => checkText(`${'é'.repeat(2048)}a`)).toThrow(
    'A text has 4096 bytes at most, and this one has 4097: send it in parts.',
  );
});
