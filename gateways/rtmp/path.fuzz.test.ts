import fc from 'fast-check';
import { expect, it } from 'vitest';
import { Refusal } from '../../src/kit/refusal.ts';
import { formatPath, maskToken, parsePath } from './path.ts';

const numRuns = Number(process.env.FUZZ_RUNS ?? 200);
const part = fc.oneof(
  fc.constantFrom(
    'room',
    '1000',
    'alice',
    'screen',
    '',
    '..',
    '%2f',
    '%',
    '%ff',
    '?as=bob',
    '?token=',
    '&',
    '=',
    '/',
  ),
  fc.string({ unit: 'binary', maxLength: 8 }),
);
const text = fc.array(part, { maxLength: 6 }).map(parts => parts.join('/'));

it('any app and name are a path or a Refusal in words, and a path comes back as it went', () => {
  fc.assert(
    fc.property(text, text, fc.boolean(), (app, name, rooted) => {
      maskToken(`${app}?${name}`);
      try {
        const path = parsePath(rooted ? `room/${app}` : app, name);
        const [again = '', query = ''] = formatPath(path).slice(1).split('?');
        expect(parsePath(again, `?${query}`)).toEqual(path);
      } catch (error) {
        expect(error).toBeInstanceOf(Refusal);
        expect((error as Refusal).why).toMatchObject({ blame: 'client', text: expect.any(String) });
      }
    }),
    { numRuns },
  );
});
