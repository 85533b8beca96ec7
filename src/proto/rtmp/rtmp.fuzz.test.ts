import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { type Amf, readAmf0, writeAmf0 } from './amf0.ts';
import { ChunkReader } from './chunk-reader.ts';
import { ChunkWriter } from './chunk-writer.ts';
import { ClientSession } from './client-session.ts';
import { readAudioTag, readVideoTag } from './flv.ts';
import { ClientHandshake } from './handshake.ts';
import { ServerSession } from './server-session.ts';

const numRuns = Number(process.env.FUZZ_RUNS ?? 200);
const bytes = (maxLength = 400) => fc.uint8Array({ maxLength });

it('AMF: anything is values or junk', () => {
  fc.assert(
    fc.property(bytes(), b => {
      const read = readAmf0(b);
      expect('values' in read || 'junk' in read).toBe(true);
    }),
    { numRuns },
  );
});

it('AMF: what is written is read', () => {
  const { value } = fc.letrec<{ value: Amf }>(tie => ({
    value: fc.oneof(
      { depthSize: 'small', maxDepth: 4 },
      fc.string(),
      fc.double({ noNaN: true }),
      fc.boolean(),
      fc.constant(null),
      fc.array(tie('value'), { maxLength: 4 }),
      fc.dictionary(fc.string({ minLength: 1 }), tie('value'), { maxKeys: 4 }),
    ) as fc.Arbitrary<Amf>,
  }));
  fc.assert(
    fc.property(value, v => {
      const read = readAmf0(writeAmf0(v));
      expect('values' in read && JSON.stringify(read.values)).toBe(JSON.stringify([v]));
    }),
    { numRuns },
  );
});

it('chunks: any messages survive the wire in pieces of any size', () => {
  const message = fc.record({
    csid: fc.integer({ min: 2, max: 63 }),
    type: fc.constantFrom(8, 9, 18, 20),
    streamId: fc.integer({ min: 0, max: 3 }),
    timestamp: fc.oneof(fc.integer({ min: 0, max: 2000 }), fc.integer({ min: 0xfffff0, max: 0xffffffff })),
    payload: bytes(600),
  });
  fc.assert(
    fc.property(fc.array(message, { maxLength: 12 }), fc.integer({ min: 1, max: 300 }), (messages, piece) => {
      const writer = new ChunkWriter();
      const reader = new ChunkReader();
      const wire = Buffer.concat(
        messages.map(m => writer.write(m.csid, m.type, m.streamId, m.timestamp, m.payload)),
      );
      const got: unknown[] = [];
      for (let at = 0; at < wire.length; at += piece)
        expect(reader.read(wire.subarray(at, at + piece), m => got.push(m))).toBeUndefined();
      expect(got).toEqual(messages.map(({ csid: _, ...m }) => m));
    }),
    { numRuns },
  );
});

it('chunks: junk ends the connection or is taken, in pieces of any size', () => {
  fc.assert(
    fc.property(fc.array(bytes(200), { maxLength: 20 }), pieces => {
      const reader = new ChunkReader();
      for (const piece of pieces) if (reader.read(piece, () => {}) !== undefined) break;
    }),
    { numRuns },
  );
});

it('FLV: any body is a tag or junk', () => {
  fc.assert(
    fc.property(bytes(40), b => {
      expect(readVideoTag(b).type).toBeTypeOf('string');
      expect(readAudioTag(b).type).toBeTypeOf('string');
    }),
    { numRuns },
  );
});

/** A server session that has shaken hands. */
function shaken(): ServerSession {
  const server = new ServerSession(
    { random: randomBytes, chunkSize: 128, handshakeTimeoutMs: 1000, idleTimeoutMs: 1000 },
    0,
  );
  server.handle({ type: 'bytes', bytes: new ClientHandshake(randomBytes).begin(0) }, 0);
  server.handle({ type: 'bytes', bytes: Buffer.alloc(1536) }, 0);
  return server;
}

it('server session: any commands in any order, then any bytes, never throw', () => {
  const amf = fc.oneof(
    fc.string({ maxLength: 5 }),
    fc.double(),
    fc.boolean(),
    fc.constant(null),
    fc.constant({ app: 'room/1' }),
  ) as fc.Arbitrary<Amf>;
  const command = fc.record({
    name: fc.constantFrom(
      'connect',
      'createStream',
      'publish',
      'play',
      'pause',
      'seek',
      'deleteStream',
      'FCPublish',
      'x',
    ),
    streamId: fc.integer({ min: 0, max: 2 }),
    args: fc.array(amf, { maxLength: 4 }),
    accept: fc.boolean(),
  });
  fc.assert(
    fc.property(
      fc.array(command, { maxLength: 15 }),
      fc.array(bytes(), { maxLength: 4 }),
      (commands, junk) => {
        const server = shaken();
        const writer = new ChunkWriter();
        let now = 0;
        for (const c of commands) {
          const body = writeAmf0(c.name, 1, ...c.args);
          server.handle({ type: 'bytes', bytes: writer.write(3, 20, c.streamId, 0, body) }, ++now);
          if (c.accept) server.handle({ type: 'accept' }, now);
        }
        for (const b of junk) server.handle({ type: 'bytes', bytes: b }, ++now);
        server.handle({ type: 'close', why: { blame: 'none', reason: 'x' } }, ++now);
        let ends = 0;
        for (let out = server.poll(); out !== undefined; out = server.poll()) if (out.type === 'end') ends++;
        expect(ends).toBe(1);
      },
    ),
    { numRuns },
  );
});

it('client session: any bytes of a server never throw', () => {
  fc.assert(
    fc.property(fc.array(bytes(2000), { maxLength: 6 }), fc.boolean(), (pieces, shake) => {
      const client = new ClientSession({
        random: randomBytes,
        mode: 'play',
        app: 'a',
        name: 'b',
        tcUrl: '',
        chunkSize: 128,
        timeoutMs: 1000,
      });
      client.handle({ type: 'start' }, 0);
      if (shake) client.handle({ type: 'bytes', bytes: Buffer.alloc(3073, 3) }, 1);
      for (const b of pieces) client.handle({ type: 'bytes', bytes: b }, 2);
      while (client.poll() !== undefined);
    }),
    { numRuns },
  );
});
