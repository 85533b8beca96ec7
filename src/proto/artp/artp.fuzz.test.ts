import fc from 'fast-check';
import { expect, it } from 'vitest';
import { Refusal } from '../../kit/refusal.ts';
import { FrameReader } from './frames.ts';
import { readHello, readHelloAck } from './hello.ts';
import { TrailerView } from './trailer.ts';

const numRuns = Number(process.env.FUZZ_RUNS ?? 200);

it('any datagram has a trailer or a reason why not, never a throw', () => {
  const trailer = new TrailerView();
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 2200 }), fc.constantFrom(0x80, 0x90, 0xb0, 0), (b, first) => {
      if (b.length > 0) b[0] = first;
      const junk = trailer.read(b);
      if (junk === undefined) expect(trailer.start).toBeLessThan(b.length);
      else expect(['short', 'not-rtp', 'cleartext']).toContain(junk);
    }),
    { numRuns },
  );
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
