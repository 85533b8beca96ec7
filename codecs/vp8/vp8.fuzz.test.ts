import fc from 'fast-check';
import { expect, it } from 'vitest';
import { vp8Depacketizer } from './depacketize.ts';
import { Vp8View } from './descriptor.ts';
import { vp8Ingress } from './ingress.ts';
import { vp8Packetizer } from './packetize.ts';
import { Vp8Rewrite } from './rewrite.ts';

const numRuns = Number(process.env.FUZZ_RUNS ?? 200);
const head = fc.constantFrom(0x10, 0x00, 0x90, 0x80, 0x91, 0xff);
const packet = fc.record({
  seq: fc.integer({ min: 0, max: 50 }),
  pts: fc.integer({ min: 0, max: 6 }).map(n => n * 3000),
  marker: fc.boolean(),
  payload: fc
    .tuple(head, fc.uint8Array({ maxLength: 30 }))
    .map(([first, rest]) => Uint8Array.of(first, ...rest)),
});

it('any payloads in any order are marked, put together and rewritten, or dropped; never a throw', () => {
  fc.assert(
    fc.property(fc.array(packet, { maxLength: 80 }), packets => {
      const view = new Vp8View();
      const rewrite = new Vp8Rewrite({ pictureId: 5, tl0PicIdx: 5 });
      const d = vp8Depacketizer(p => expect(p.bytes.length).toBeGreaterThan(0));
      let drops = 0;
      let out = 0;
      const stage = vp8Ingress({ format() {}, drop: () => drops++ })(p => {
        out++;
        const payload = rewrite.map(p);
        expect(payload && view.read(payload)).toBeUndefined();
        expect(view.pictureIdBits).toBe(15);
        d.push(p);
      });
      for (const p of packets) stage(p, 0);
      expect(out + drops).toBe(packets.length);
    }),
    { numRuns },
  );
});

it('any picture survives packets of any size', () => {
  const bytes = fc.uint8Array({ minLength: 1, maxLength: 900 }).map(b => {
    b[0] = (b[0] as number) | 1; // no keyframe: those have a header to be right
    return b;
  });
  const key = Uint8Array.of(0x10, 2, 0, 0x9d, 1, 0x2a, 0x80, 2, 0xe0, 1);
  fc.assert(
    fc.property(fc.array(bytes, { maxLength: 5 }), fc.integer({ min: 14, max: 300 }), (rest, max) => {
      const pictures = [key, ...rest];
      const got: Uint8Array[] = [];
      const d = vp8Depacketizer(p => got.push(p.bytes.slice()));
      const pack = vp8Packetizer(max);
      let seq = 0;
      pictures.forEach((picture, i) => {
        pack(picture, (payload, frame) => {
          expect(payload.length).toBeLessThanOrEqual(max);
          d.push({ seq: seq++, pts: i, marker: frame.end, payload, frame });
        });
      });
      expect(got).toEqual(pictures);
    }),
    { numRuns },
  );
});
