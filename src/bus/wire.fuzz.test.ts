import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { Json } from '../contract.ts';
import { Refusal } from '../kit/refusal.ts';
import { checkPattern, checkSubject, matcher, subjectWord } from './subject.ts';
import { answerOf, decode, encode } from './wire.ts';

const numRuns = Number(process.env.FUZZ_RUNS ?? 200);
const json = fc.jsonValue() as fc.Arbitrary<Json>;

it('any text is JSON or undefined, and JSON comes back as it went', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), json, fc.nat(), (text, value, at) => {
      decode(text);
      const sent = encode(value, 1e9, 'x');
      expect(JSON.stringify(decode(sent))).toBe(sent);
      decode(sent.slice(0, at % (sent.length + 1)));
    }),
    { numRuns },
  );
});

it('any reply is an answer or a Refusal in words', () => {
  const reply = fc.oneof(
    json,
    json.map(ok => ({ ok })),
    fc
      .record(
        {
          blame: fc.oneof(fc.constantFrom('none', 'client', 'server', 'upstream'), json),
          reason: fc.oneof(fc.string(), json),
          text: fc.oneof(fc.string(), json),
        },
        { requiredKeys: [] },
      )
      .map(refused => ({ refused }) as Json),
  );
  fc.assert(
    fc.property(reply, r => {
      try {
        answerOf(r, 'x');
      } catch (error) {
        expect(error).toBeInstanceOf(Refusal);
        const { blame, reason, text = '' } = (error as Refusal).why;
        expect(['none', 'client', 'server', 'upstream']).toContain(blame);
        expect(typeof reason + typeof text).toBe('stringstring');
      }
    }),
    { numRuns },
  );
});

it('a word made of anything is one word of a subject, and two things never make the same', () => {
  const thing = fc.oneof(
    fc.string(),
    fc.string({ unit: 'binary' }),
    fc.constantFrom('', '.', '*', '>', '%', ' '),
  );
  fc.assert(
    fc.property(thing, thing, (a, b) => {
      const [one, other] = [subjectWord(a), subjectWord(b)];
      checkSubject(`room.${one}.join`);
      checkPattern(`room.${one}.*`);
      expect(matcher('room.*.join')(`room.${one}.join`)).toBe(true);
      expect(matcher(`room.${one}.join`)(`room.${other}.join`)).toBe(a === b);
    }),
    { numRuns },
  );
});
