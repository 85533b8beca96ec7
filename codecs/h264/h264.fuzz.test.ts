import fc from 'fast-check';
import { expect, it } from 'vitest';
import { readAnnexB, writeAnnexB } from './annexb.ts';
import { readAvcc, writeAvcc } from './avcc.ts';
import { h264Depacketizer } from './depacketize.ts';
import { h264Ingress } from './ingress.ts';
import { h264Mode0 } from './mode0.ts';
import { readLengthPrefixed } from './nal.ts';
import { h264OutOfBand, readSprop } from './out-of-band.ts';
import { h264Packetizer } from './packetize.ts';
import { readPps, readSlice } from './slice.ts';
import { readSps } from './sps.ts';

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

it('parameter sets and slices: anything is read within bounds, or refused', () => {
  const head = fc.constantFrom(0x67, 0x68, 0x65, 0x41, 0x01);
  fc.assert(
    fc.property(head, fc.uint8Array({ maxLength: 60 }), (first, rest) => {
      const unit = Uint8Array.of(first, ...rest);
      const sps = readSps(unit);
      if (sps !== undefined) {
        expect(sps.width * sps.height).toBeGreaterThan(0);
        expect(sps.macroblocks).toBeLessThanOrEqual(36_864);
        expect(sps.reorderFrames ?? 0).toBeLessThanOrEqual(16);
      }
      readPps(unit);
      readSlice(unit);
    }),
    { numRuns },
  );
});

it('the ingress and the way to mode 0: any payloads, in any order, are marked or dropped', () => {
  const type = fc.constantFrom(0x65, 0x41, 0x67, 0x68, 0x06, 0x7c, 0x78, 0x19, 0xff);
  const payload = fc
    .tuple(type, fc.uint8Array({ maxLength: 40 }))
    .map(([first, rest]) => Uint8Array.of(first, ...rest));
  const packet = fc.record({
    seq: fc.integer({ min: 0, max: 40 }),
    pts: fc.integer({ min: 0, max: 6 }).map(n => n * 3000),
    marker: fc.boolean(),
    payload: fc.oneof(payload, fc.uint8Array({ maxLength: 8 })),
  });
  fc.assert(
    fc.property(fc.array(packet, { maxLength: 60 }), packets => {
      let out = 0;
      let drops = 0;
      const single = h264Mode0(() => {}, { unfit() {}, keyNeeded() {} }, 30);
      const dress = h264OutOfBand([Uint8Array.of(0x68, 1)])(() => {});
      const stage = h264Ingress({ format() {}, drop: () => drops++ })((p, now) => {
        out++;
        expect(p.frame).toBeDefined();
        single.sink(p, now);
      });
      for (const p of packets) {
        stage(p, 0);
        dress(p, 0);
      }
      const held = packets.length - out - drops;
      expect(held >= 0 && held <= 8).toBe(true);
    }),
    { numRuns },
  );
});

it('annex B: anything is read, and what was written comes back', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 20 }), { maxLength: 5 }), parts => {
      const units = readAnnexB(writeAnnexB(parts));
      expect(readAnnexB(writeAnnexB(units))).toEqual(units);
    }),
    { numRuns },
  );
});

it('sprop-parameter-sets: any text is read or refused', () => {
  fc.assert(
    fc.property(fc.string(), text => {
      for (const set of readSprop(text)) expect(set.length).toBeGreaterThan(1);
    }),
    { numRuns },
  );
});
