import fc from 'fast-check';
import { expect, test } from 'vitest';
import { bodyParts } from './body.ts';
import { Headers } from './message.ts';
import { plainText } from './text-body.ts';

const numRuns = Number(process.env.FUZZ_RUNS ?? 200);
const piece = fc.oneof(
  fc.string(),
  fc.constantFrom('--seam', '--seam--', '\r\n', '\r\n\r\n', 'Content-Type: a/b'),
);

test('any body is taken apart or refused, and its parts are no longer than it is', () => {
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 40 }), pieces => {
      const headers = new Headers();
      headers.add('content-type', 'multipart/mixed;boundary=seam');
      const body = Buffer.from(pieces.join(''));
      const parts = bodyParts({ headers, body }) ?? [];
      expect(parts.reduce((n, part) => n + part.bytes.length, 0)).toBeLessThanOrEqual(body.length);
    }),
    { numRuns },
  );
});

test('the text of any body is found, or there is none', () => {
  const type = fc.constantFrom('text/plain', 'message/cpim', 'multipart/mixed;boundary=seam');
  fc.assert(
    fc.property(type, fc.array(piece, { maxLength: 40 }), (type, pieces) => {
      const headers = new Headers();
      headers.add('content-type', type);
      const body = Buffer.from(pieces.join(''));
      expect(Buffer.byteLength(plainText({ headers, body }) ?? '')).toBeLessThanOrEqual(body.length);
    }),
    { numRuns },
  );
});
