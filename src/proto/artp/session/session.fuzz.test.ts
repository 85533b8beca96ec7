import fc from 'fast-check';
import { expect, it } from 'vitest';
import { readRtcp, writeRtcp } from '../../rtp/rtcp.ts';
import { writeTrailer } from '../trailer.ts';
import { type Control, readControl, writeControl } from './app.ts';
import { MAX_MESSAGE_BYTES, MessageReceiver, MessageSender } from './messages.ts';
import { connectionOf, Pair, STREAM, udp } from './pair.testing.ts';

const numRuns = Number(process.env.FUZZ_RUNS ?? 200);

it('any datagram is counted, never thrown, never answered', () => {
  const p = new Pair(50, { stream: true }).connect();
  p.run(1000);
  const sent = [p.client.sent.length, p.server.sent.length];
  const first = fc.constantFrom(0x80, 0x81, 0x83, 0x85, 0x8a, 0x8b, 0x90, 0xa0, 0xb0, 0);
  const second = fc.constantFrom(96, 97, 98, 99, 100, 200, 201, 204, 205, 207);
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 400 }),
      first,
      second,
      fc.constantFrom('client', 'server', undefined),
      fc.constantFrom(udp(), udp('192.0.2.1', 40_000), udp('198.51.100.1', 1), STREAM),
      (bytes, b0, b1, side, route) => {
        const out = new Uint8Array(bytes.length + 15);
        out.set(bytes);
        out[0] = b0;
        out[1] = b1;
        const length = writeTrailer(out, bytes.length, side && connectionOf(side), 0, 7, 7);
        for (const end of [p.client, p.server]) {
          end.do((s, now) => s.receive(out.subarray(0, length), route, now));
          end.do((s, now) => s.receive(bytes, route, now));
        }
      },
    ),
    { numRuns },
  );
  expect([p.client.sent.length, p.server.sent.length]).toEqual(sent);
  expect(p.server.messages).toEqual([]);
  p.client.do((s, now) => s.say('still here', now));
  p.run(200);
  expect(p.server.messages).toEqual(['still here']);
});

it('any control is read as it was written, any APP packet without a throw', () => {
  const bytes = (n: number) => fc.uint8Array({ minLength: n, maxLength: n });
  const control: fc.Arbitrary<Control> = fc.oneof(
    fc.record({
      type: fc.constantFrom('challenge' as const, 'response' as const),
      token: bytes(8),
      path: fc.nat(63),
      known: fc.boolean(),
      preferred: fc.boolean(),
    }),
    fc.record({
      type: fc.constant('fragment' as const),
      number: fc.nat(2 ** 32 - 1),
      first: fc.boolean(),
      last: fc.boolean(),
      flow: fc.boolean(),
      data: fc.uint8Array({ maxLength: 1000 }),
    }),
    fc.record({ type: fc.constant('ack' as const), next: fc.nat(2 ** 32 - 1), bits: bytes(16) }),
    fc.constant({ type: 'closed' as const }),
  );
  fc.assert(
    fc.property(control, c => {
      const read = readRtcp(writeRtcp([writeControl(c, 1)]));
      const app = typeof read === 'string' ? undefined : read[0];
      if (app?.type !== 'app') throw new Error('no APP packet');
      const back = readControl(app)!;
      expect(Object.fromEntries(Object.entries(back).map(([k, v]) => [k, plain(v)]))).toEqual(
        Object.fromEntries(Object.entries(c).map(([k, v]) => [k, plain(v)])),
      );
    }),
    { numRuns },
  );
  fc.assert(
    fc.property(fc.nat(31), fc.uint8Array({ maxLength: 300 }), (subtype, data) => {
      readControl({ type: 'app', ssrc: 1, subtype, name: 'aRTP', data });
    }),
    { numRuns },
  );
});
const plain = (v: unknown): unknown => (v instanceof Uint8Array ? [...v] : v);

it('messages arrive in order through any loss, repeat and mix-up, and junk makes nothing grow', () => {
  fc.assert(
    fc.property(
      fc.array(fc.nat(2500), { minLength: 1, maxLength: 12 }),
      fc.infiniteStream(fc.nat(99)),
      (sizes, luck) => {
        const chance = (): number => luck.next().value as number;
        const got: unknown[] = [];
        const out = new MessageSender();
        const into = new MessageReceiver(m => void got.push(m));
        sizes.forEach((size, n) => void out.say({ n, text: 'x'.repeat(size) }, false, 0));
        let now = 0;
        for (; out.bytes > 0 && now < 60_000; now += 50) {
          const flying: Parameters<MessageReceiver['receive']>[0][] = [];
          out.due(now, 10, 1000, f => void flying.push(f));
          if (chance() < 50) flying.reverse();
          for (const f of flying) for (let copies = chance() % 3; copies > 0; copies--) into.receive(f, now);
          if (!into.owesAck || chance() < 50) continue;
          const ack = into.ack();
          if (ack.type === 'ack') out.acknowledged(ack.next, ack.bits, now);
        }
        expect(got.map(m => (m as { n: number }).n)).toEqual(sizes.map((_, n) => n));
      },
    ),
    { numRuns: Math.min(numRuns, 300) },
  );
});

it('acknowledgements of what was never sent, and fragments that end nowhere, change nothing', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(300), fc.uint8Array({ minLength: 16, maxLength: 16 }))), acks => {
      const out = new MessageSender();
      out.say('never sent', false, 0);
      for (const [next, bits] of acks) out.acknowledged(next, bits, 0);
      expect(out.bytes).toBeGreaterThan(0);
    }),
    { numRuns },
  );
  const got: unknown[] = [];
  const into = new MessageReceiver(m => void got.push(m));
  const data = Buffer.alloc(1000, 0x20);
  for (let number = 0; number < 2 * (MAX_MESSAGE_BYTES / 1000) + 2; number++) {
    const f = { type: 'fragment', number, first: number === 0, last: false, flow: false, data } as const;
    into.receive(f, 0);
  }
  const reasons = [1e9, 190].map(number =>
    into.receive({ type: 'fragment', number, first: true, last: true, flow: false, data }, 0),
  );
  expect(reasons).toEqual(['fragment-ahead', undefined]);
  expect(got).toEqual([]);
});
