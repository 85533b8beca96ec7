import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readBind, readBound } from '../proto/artp/relay/bind.ts';
import { readRelayTicket } from '../proto/artp/relay/ticket.ts';
import { type ControlMessage, controlKey, readControl, writeControl } from './control.ts';
import { SHARED, world } from './world.testing.ts';

const runs = { numRuns: Number(process.env.FUZZ_RUNS ?? 200) };
const key = controlKey(SHARED);
const tag = fc.integer({ min: 0, max: 0xffffff });
const u32 = fc.integer({ min: 0, max: 0xffffffff });
const bytes = (n: number) => fc.uint8Array({ minLength: n, maxLength: n });
const body = fc.oneof(
  fc.record({ kind: fc.constant('probe' as const), number: u32, time: u32 }),
  fc.record({
    kind: fc.constant('answer' as const),
    number: u32,
    time: u32,
    records: fc.array(
      fc.record({
        via: tag,
        highest: u32,
        heard: bytes(16),
        transit: fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
      }),
      { maxLength: 6 },
    ),
  }),
  fc.record({
    kind: fc.constant('bindings' as const),
    number: u32,
    bindings: fc.array(fc.record({ client: bytes(8), serverTag: tag, isBound: fc.boolean() }), {
      maxLength: 90,
    }),
  }),
);
const plain = (m: ControlMessage): unknown =>
  JSON.parse(JSON.stringify(m, (_, v) => (ArrayBuffer.isView(v) ? [...(v as Uint8Array)] : v)));

describe('between routers', () => {
  it('what is written is read as it was', () =>
    fc.assert(
      fc.property(fc.record({ from: tag, to: tag, via: tag, body }), m => {
        const read = readControl(writeControl(m, key), key);
        // Buffers become views: bytes are compared.
        expect(typeof read === 'string' ? read : plain({ ...read, body: bare(read.body) })).toEqual(plain(m));
      }),
      runs,
    ));
  it('no datagram of anybody throws or is answered', () => {
    const w = world(1);
    const router = w.routers[0].core;
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 300 }),
        fc.constantFrom(0xf1, 0xf2, 0xf3, 0x80, 0xbf, 0),
        (b, first) => {
          const datagram = Buffer.from([first, ...b]);
          for (const [address, port] of [
            ['10.66.6.6', 5],
            [w.b.address, w.b.port],
            [w.serverAt.address, w.serverAt.port],
          ] as const)
            router.receive(Buffer.from(datagram), address, port, 10_000);
          readBind(datagram);
          readBound(datagram);
          readRelayTicket(datagram.toString('latin1'));
        },
      ),
      runs,
    );
    expect(router.stats.relayed).toBe(0);
    expect(router.bindings).toBe(0);
  });
  it('no authentic message of a router throws', () => {
    const w = world(2);
    fc.assert(
      fc.property(body, fc.constantFrom(0, 0xc), (said, via) => {
        const b = writeControl({ from: 0xb, to: 0xa, via, body: said }, key);
        const by = via === 0 ? w.b : w.c;
        w.routers[0].core.receive(b, by.address, by.port, 10_000);
        w.routers[0].core.tick(10_050);
      }),
      runs,
    );
  });
});

/** Views of buffers as plain byte arrays. */
function bare(b: ControlMessage['body']): ControlMessage['body'] {
  if (b.kind === 'answer')
    return { ...b, records: b.records.map(r => ({ ...r, heard: Uint8Array.from(r.heard) })) };
  if (b.kind === 'bindings')
    return { ...b, bindings: b.bindings.map(x => ({ ...x, client: Uint8Array.from(x.client) })) };
  return b;
}
