import fc from 'fast-check';
import { expect, it } from 'vitest';
import { ClientSession } from './client-session.ts';
import { ServerSession } from './server-session.ts';
import type { ServerOutput } from './server-types.ts';

const numRuns = Number(process.env.FUZZ_RUNS ?? 200);
const random = (n: number): Buffer => Buffer.alloc(n, 7);
const server = (): ServerSession =>
  new ServerSession({ random, chunkSize: 128, handshakeTimeoutMs: 1000, idleTimeoutMs: 1000 }, 0);

/** Everything a publisher says to a server, handshake included. */
const recorded = ((): Buffer => {
  const there = server();
  const client = new ClientSession({
    random,
    mode: 'publish',
    app: 'room/1000',
    name: 'alice?token=x',
    tcUrl: 'rtmp://127.0.0.1/room/1000',
    chunkSize: 200,
    timeoutMs: 1000,
  });
  const said: Uint8Array[] = [];
  const settle = (): void => {
    for (let quiet = false; !quiet; ) {
      quiet = true;
      for (let out = client.poll(); out !== undefined; out = client.poll())
        if (out.type === 'write') {
          said.push(out.bytes.slice());
          there.handle({ type: 'bytes', bytes: out.bytes }, 0);
          quiet = false;
        }
      for (let out = there.poll(); out !== undefined; out = there.poll()) {
        if (out.type === 'publish') there.handle({ type: 'accept' }, 0);
        if (out.type === 'write') client.handle({ type: 'bytes', bytes: out.bytes }, 0);
        quiet = false;
      }
    }
  };
  client.handle({ type: 'start' }, 0);
  settle();
  client.handle({ type: 'metadata', values: { width: 360, height: 640 } }, 0);
  for (let i = 0; i < 4; i++) {
    const at = i * 0x800000; // the last ones need the extended timestamp
    client.handle({ type: 'media', media: 'audio', timestampMs: at, parts: [Buffer.of(0xaf, 1, i)] }, 0);
    client.handle({ type: 'media', media: 'video', timestampMs: at, parts: [Buffer.alloc(700, i)] }, 0);
  }
  client.handle({ type: 'stop' }, 0);
  settle();
  return Buffer.concat(said);
})();

/** What a server makes of these pieces, accepting whatever is asked. */
function told(pieces: Iterable<Uint8Array>): Exclude<ServerOutput, { type: 'write' }>[] {
  const session = server();
  const all: Exclude<ServerOutput, { type: 'write' }>[] = [];
  const drain = (): void => {
    for (let out = session.poll(); out !== undefined; out = session.poll()) {
      if (out.type === 'publish' || out.type === 'play') session.handle({ type: 'accept' }, 0);
      if (out.type !== 'write') all.push(out.type === 'media' ? { ...out, body: out.body.slice() } : out);
    }
  };
  for (const bytes of pieces) {
    session.handle({ type: 'bytes', bytes }, 0);
    drain();
  }
  return all;
}

const whole = told([recorded]);
const asText = JSON.stringify(whole);

it('a publisher is understood whole, byte by byte and cut at every place', () => {
  expect(whole.filter(o => o.type === 'media')).toHaveLength(8);
  expect(whole.at(-1)).toMatchObject({ type: 'end', why: { reason: 'hung-up' } });
  expect(told(Array.from(recorded, byte => Uint8Array.of(byte)))).toEqual(whole);
  // Inside C1 and C2 one place is like another.
  for (let at = 0; at <= recorded.length; at += at > 10 && at < 3000 ? 97 : 1)
    expect(JSON.stringify(told([recorded.subarray(0, at), recorded.subarray(at)]))).toBe(asText);
});

it('junk in one piece with the goodbye is nobody’s any more: one end', () => {
  const tooLong = Buffer.from('03000000ffffff1400000000', 'hex');
  expect(JSON.stringify(told([Buffer.concat([recorded, tooLong])]))).toBe(asText);
});

it('the same with bytes changed, lost and doubled, in pieces of any size: never a throw, one end, nothing after it', () => {
  const edit = fc.record({
    at: fc.nat(recorded.length - 1),
    // The handshake is most of the bytes and none of the trouble: most edits come behind it.
    behind: fc.boolean(),
    how: fc.constantFrom('change', 'cut', 'double'),
    n: fc.integer({ min: 1, max: 255 }),
  });
  fc.assert(
    fc.property(
      fc.array(edit, { minLength: 1, maxLength: 5 }),
      fc.integer({ min: 1, max: 2000 }),
      (edits, piece) => {
        let wire: Buffer = Buffer.from(recorded);
        for (const e of edits) {
          const at = e.behind ? 3073 + (e.at % (recorded.length - 3073)) : e.at;
          if (e.how === 'change' && at < wire.length) wire[at] = (wire[at] as number) ^ e.n;
          else if (e.how === 'cut') wire = Buffer.concat([wire.subarray(0, at), wire.subarray(at + e.n)]);
          else wire = Buffer.concat([wire.subarray(0, at + e.n), wire.subarray(at)]);
        }
        const pieces = [];
        for (let at = 0; at < wire.length; at += piece) pieces.push(wire.subarray(at, at + piece));
        const all = told(pieces);
        const end = all.findIndex(o => o.type === 'end');
        if (end >= 0) expect(end).toBe(all.length - 1);
      },
    ),
    { numRuns },
  );
});
