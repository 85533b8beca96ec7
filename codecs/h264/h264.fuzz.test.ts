import fc from 'fast-check';
import { expect, it } from 'vitest';
import { readAvcc, writeAvcc } from './avcc.ts';
import { h264Depacketizer } from './depacketize.ts';
import { readLengthPrefixed } from './nal.ts';
import { h264Packetizer } from './packetize.ts';

const numRuns = Number(process.env.FUZZ_RUNS ?? 200);

it('any packets in any order give units or losses, never a throw', () => {
  const packet = fc.record({
    seq: fc.integer({ min: 0, max: 60 }),
    pts: fc.integer({ min: 0, max: 5 }).map(n => n * 3000),
    marker: fc.boolean(),
    payload: fc.uint8Array({ maxLength: 30 }),
  });
  fc.assert(
    fc.property(fc.array(packet, { maxLength: 80 }), packets => {
      const d = h264Depacketizer(u => expect(u.units.length).toBeGreaterThan(0));
      for (const p of packets) d.push(p);
    }),
    { numRuns },
  );
});

it('any units survive packets of any size', () => {
  const unit = fc
    .tuple(fc.integer({ min: 1, max: 23 }), fc.uint8Array({ minLength: 1, maxLength: 400 }))
    .map(([type, rest]) => Uint8Array.of(0x60 | type, ...rest));
  fc.assert(
    fc.property(
      fc.array(unit, { minLength: 1, maxLength: 6 }),
      fc.integer({ min: 3, max: 200 }),
      (units, max) => {
        const got: Uint8Array[][] = [];
        const d = h264Depacketizer(u => got.push(u.units.map(b => b.slice())));
        let seq = 0;
        h264Packetizer(max)(units, true, (payload, mark) => {
          expect(payload.length).toBeLessThanOrEqual(max);
          d.push({ seq: seq++, pts: 0, marker: mark.end, payload, frame: mark });
        });
        expect(got).toEqual([units]);
      },
    ),
    { numRuns },
  );
});

it('avcC and length prefixes: anything is read or refused', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 80 }), fc.constantFrom(1, 2, 3, 4), (b, size) => {
      readLengthPrefixed(b, size as 1);
      const avcc = readAvcc(b);
      const sps = avcc?.sps.filter(s => s.length >= 4) ?? [];
      if (avcc && sps.length > 0) writeAvcc(sps, avcc.pps);
      if (b.length >= 4) writeAvcc([Uint8Array.of(0x67, 100, 0, 30, ...b)], []);
    }),
    { numRuns },
  );
});
