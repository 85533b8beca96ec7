import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Refusal } from '../../src/kit/refusal.ts';
import { FramedReader } from './framing.ts';
import { readHello, readHelloAck } from './hello.ts';
import { readAsk, readTell } from './protocol.ts';

const RUNS = { numRuns: Number(process.env.FUZZ_RUNS ?? 200) };
/** Close to the real thing, so that more than the first check is met. */
const near = fc.record(
  {
    t: fc.constantFrom('publish', 'want', 'update', 'text', 'mute', 'clock', 'serving', 'roster', 'event'),
    type: fc.constantFrom('hello', 'hello-ack', 'refused'),
    version: fc.constantFrom(1, 2, '1'),
    n: fc.oneof(fc.integer(), fc.double(), fc.string()),
    id: fc.oneof(fc.nat(), fc.string()),
    want: fc.record({ kind: fc.constantFrom('mix', 'loudest', 'picture', 'x'), accept: fc.jsonValue() }),
    track: fc.jsonValue(),
    text: fc.string(),
    connection: fc.string({ maxLength: 20 }),
    why: fc.jsonValue(),
  },
  { requiredKeys: [] },
);

test('whatever comes is read, or told to be none', () => {
  fc.assert(
    fc.property(fc.oneof(fc.jsonValue(), near, fc.anything()), message => {
      expect(readAsk(message).t).toBeTypeOf('string');
      readTell(message);
      for (const read of [readHello, readHelloAck])
        try {
          read(message);
        } catch (error) {
          expect(error).toBeInstanceOf(Refusal);
        }
    }),
    RUNS,
  );
});

test('a stream of anything never throws, and keeps no more than one frame', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 300 })), chunks => {
      const reader = new FramedReader(256, frame => expect(frame.length).toBeLessThanOrEqual(256));
      for (const chunk of chunks) if (!reader.push(Buffer.from(chunk))) return;
    }),
    RUNS,
  );
});
