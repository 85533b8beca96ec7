import fc from 'fast-check';
import { expect, it } from 'vitest';
import { readFrame, STOMP_LIMITS, writeFrame } from './frame.ts';
import { StompSession } from './session.ts';

const numRuns = Number(process.env.FUZZ_RUNS ?? 200);

const frame = fc.record({
  command: fc.constantFrom('CONNECT', 'STOMP', 'SUBSCRIBE', 'SEND', 'UNSUBSCRIBE', 'DISCONNECT', 'ACK', 'x'),
  headers: fc.dictionary(
    fc.oneof(
      fc.constantFrom('id', 'destination', 'accept-version', 'heart-beat', 'login', 'receipt', '__proto__'),
      fc.string({ minLength: 1, maxLength: 12, unit: 'binary' }),
    ),
    fc.oneof(
      fc.constantFrom(
        '1.2',
        '/room/1000',
        '/room/1000/mute',
        '/room/%',
        '0,0',
        '5000,5000',
        '1e999,NaN',
        '7',
      ),
      fc.string({ maxLength: 20, unit: 'binary' }),
    ),
    { maxKeys: 8 },
  ),
  body: fc.string({ maxLength: 60, unit: 'binary' }),
});
const message = fc.oneof(
  { weight: 3, arbitrary: frame.map(f => Buffer.from(writeFrame(f.command, f.headers, f.body))) },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 200 }).map(b => Buffer.from(b)) },
);

it('a frame that was written is read, whatever is in it', () => {
  fc.assert(
    fc.property(frame, f => {
      fc.pre(f.command !== 'CONNECT' && f.command !== 'STOMP' && !('content-length' in f.headers));
      const read = readFrame(Buffer.from(writeFrame(f.command, f.headers, f.body)));
      expect('frame' in read && { ...read.frame, headers: { ...read.frame.headers } }).toEqual({
        ...f,
        headers: { ...f.headers, ...(f.body !== '' && { 'content-length': expect.any(String) }) },
      });
    }),
    { numRuns },
  );
});

it('any bytes, and any frame cut or changed anywhere, are a frame, a heart-beat or junk', () => {
  fc.assert(
    fc.property(message, fc.nat(), fc.nat(255), (bytes, at, byte) => {
      const cut = bytes.subarray(0, at % (bytes.length + 1));
      const changed = Buffer.from(bytes);
      if (changed.length > 0) changed[at % changed.length] = byte;
      for (const b of [bytes, cut, changed]) {
        const read = readFrame(b);
        if ('frame' in read)
          expect(Object.keys(read.frame.headers).length).toBeLessThanOrEqual(STOMP_LIMITS.headers);
        else expect('junk' in read || 'heartbeat' in read).toBe(true);
      }
    }),
    { numRuns },
  );
});

it('a session survives any messages at any time, ends at most once and never comes back', () => {
  const input = fc.oneof(
    { weight: 6, arbitrary: message.map(bytes => ({ type: 'message' as const, bytes })) },
    { weight: 1, arbitrary: fc.constant({ type: 'joined' as const, participant: 'a', secret: 's' }) },
    { weight: 1, arbitrary: fc.constant({ type: 'tell' as const, body: '{}' }) },
    { weight: 1, arbitrary: fc.constant({ type: 'tick' as const }) },
  );
  fc.assert(
    fc.property(fc.array(fc.tuple(input, fc.nat(15_000)), { maxLength: 30 }), inputs => {
      const session = new StompSession(0);
      // A good beginning, so that the far states are reached too.
      session.handle(
        { type: 'message', bytes: Buffer.from(writeFrame('CONNECT', { 'accept-version': '1.2' })) },
        0,
      );
      let now = 0;
      let ended = false;
      for (const [i, laterMs] of inputs) {
        session.handle(i, (now += laterMs));
        for (let out = session.poll(); out !== undefined; out = session.poll()) {
          expect(ended).toBe(false);
          ended = out.type === 'end';
        }
        expect(Number.isNaN(session.deadline)).toBe(false);
        if (ended) expect(session.deadline).toBe(Number.POSITIVE_INFINITY);
      }
    }),
    { numRuns },
  );
});
