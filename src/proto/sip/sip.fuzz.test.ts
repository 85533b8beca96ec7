import fc from 'fast-check';
import { expect, test } from 'vitest';
import { seeded } from '../../../test/harness/sip-world.ts';
import { SipEndpoint } from './endpoint.ts';
import { flowTo } from './flow.ts';
import { parseMessage } from './parse.ts';
import { SipSplitter } from './stream.ts';
import { tortures } from './torture.testing.ts';

const numRuns = Number(process.env.FUZZ_RUNS ?? 200);
const corpus = tortures().map(t => t.bytes.toString('latin1'));

/** A message of the corpus with pieces cut out, doubled, or replaced. */
const mutated = fc
  .tuple(
    fc.constantFrom(...corpus),
    fc.array(
      fc.tuple(
        fc.nat(2000),
        fc.nat(40),
        fc.oneof(fc.string(), fc.constantFrom('\r\n', '"', '<', '>', ';', ',', '%', '\0', '=', ' ')),
      ),
      {
        maxLength: 6,
      },
    ),
  )
  .map(([text, edits]) =>
    Buffer.from(
      edits.reduce(
        (t, [at, cut, put]) => t.slice(0, at % (t.length + 1)) + put + t.slice((at % (t.length + 1)) + cut),
        text,
      ),
      'latin1',
    ),
  );
const anything = fc.oneof(
  mutated,
  fc.uint8Array({ maxLength: 400 }).map(b => Buffer.from(b)),
);

test('the parser never throws', () => {
  fc.assert(
    fc.property(anything, bytes => {
      const p = parseMessage(bytes);
      expect(p.ok || typeof p.reason === 'string').toBe(true);
    }),
    { numRuns },
  );
});

test('the splitter never throws and holds no more than it may', () => {
  fc.assert(
    fc.property(fc.array(anything, { maxLength: 8 }), chunks => {
      const s = new SipSplitter();
      for (const c of chunks) {
        s.push(c);
        while (s.take() !== undefined);
      }
    }),
    { numRuns },
  );
});

test('an endpoint survives any datagrams and chunks, and is empty when all timers have rung', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(anything, fc.boolean()), { maxLength: 12 }),
      fc.integer(),
      (inputs, seed) => {
        const random = seeded(seed);
        const endpoint = new SipEndpoint({
          random: n => Buffer.from(Array.from({ length: n }, () => Math.floor(random() * 256))),
          local: () => ({ host: '10.0.0.2', port: 5060 }),
          name: 'fuzz',
        });
        const tcp = flowTo('tcp', '192.0.2.1', 7);
        const drain = (): void => {
          for (let out = endpoint.poll(); out !== undefined; out = endpoint.poll())
            if (out.type === 'invite') endpoint.handle({ type: 'answer', call: out.call, sdp: 'v=0' }, 0);
        };
        for (const [bytes, stream] of inputs) {
          if (stream) endpoint.handle({ type: 'chunk', flow: tcp, bytes }, 0);
          else endpoint.handle({ type: 'datagram', flow: flowTo('udp', '192.0.2.1', 5060), bytes }, 0);
          drain();
        }
        endpoint.handle({ type: 'flow-closed', flow: tcp }, 0);
        for (let now = endpoint.deadline; now < Number.POSITIVE_INFINITY; now = endpoint.deadline) {
          endpoint.handle({ type: 'tick' }, now);
          drain();
        }
        expect(endpoint.load).toEqual({ calls: 0, transactions: 0, timers: 0 });
      },
    ),
    { numRuns },
  );
});
