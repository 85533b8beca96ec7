import fc from 'fast-check';
import { expect, it } from 'vitest';
import { Refusal } from '../../kit/refusal.ts';
import { FrameReader } from './frames.ts';
import { readHello, readHelloAck } from './hello.ts';
import { directionKeys } from './keys.ts';
import { MediaReceiver } from './media-receiver.ts';
import { PathReceiver } from './path.ts';
import { TrailerView } from './trailer.ts';

const numRuns = Number(process.env.FUZZ_RUNS ?? 200);
const keys = directionKeys(Buffer.alloc(32), 'from-client', 0);

it('any datagram is junk, counted once, never a throw', () => {
  let counted = 0;
  const receiver = new MediaReceiver(keys, () => void counted++);
  const path = new PathReceiver(keys);
  const trailer = new TrailerView();
  let accepted = 0;
  receiver.bind({ ssrc: 1, seq: 0, pts: 0 }, () => void accepted++, 0);
  let fed = 0;
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 2200 }),
      fc.constantFrom(0x80, 0x90, 0xb0, 0),
      fc.boolean(),
      (b, first, known) => {
        if (b.length > 0) b[0] = first;
        if (known && b.length >= 12) b.set([0, 0, 0, 1], 8);
        trailer.read(b);
        receiver.receive(b, 0);
        fed++;
        expect(path.open(b)).toBeTypeOf('string');
      },
    ),
    { numRuns },
  );
  expect(accepted).toBe(0);
  expect(counted).toBe(fed);
});

it('any control stream is messages or junk, however it is cut', () => {
  const piece = fc.oneof(
    fc.uint8Array({ maxLength: 40 }),
    fc.jsonValue().map(v => {
      const text = Buffer.from(JSON.stringify(v));
      const head = Buffer.alloc(4);
      head.writeUInt32BE(text.length);
      return Buffer.concat([head, text]);
    }),
  );
  fc.assert(
    fc.property(
      fc.array(piece, { maxLength: 6 }),
      fc.array(fc.nat(500), { maxLength: 6 }),
      (pieces, cuts) => {
        const stream = Buffer.concat(pieces);
        const whole: unknown[] = [];
        const cut: unknown[] = [];
        const end = new FrameReader(2000, m => void whole.push(m)).push(stream);
        const reader = new FrameReader(2000, m => void cut.push(m));
        let at = 0;
        let junk: string | undefined;
        for (const to of [...cuts.filter(c => c < stream.length).sort((a, b) => a - b), stream.length]) {
          junk = reader.push(stream.subarray(at, to));
          at = to;
        }
        expect(cut).toEqual(whole);
        expect(junk).toBe(end);
      },
    ),
    { numRuns },
  );
});

it('any JSON is a HELLO or a refusal in words', () => {
  fc.assert(
    fc.property(fc.jsonValue(), v => {
      for (const read of [readHello, readHelloAck])
        try {
          read(v);
        } catch (error) {
          expect(error).toBeInstanceOf(Refusal);
        }
    }),
    { numRuns },
  );
});
