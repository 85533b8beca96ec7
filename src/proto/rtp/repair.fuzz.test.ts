import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Outbox } from './outbox.ts';
import { Reorder } from './reorder.ts';
import { writeRtpHeader } from './rtp.ts';

const numRuns = Number(process.env.FUZZ_RUNS ?? 200);

test('whatever comes whenever: in order, once, and nothing waits for ever', () => {
  const step = fc.record({
    seq: fc.oneof(
      { weight: 9, arbitrary: fc.integer({ min: 0, max: 60 }) },
      fc.integer({ min: 0, max: 5000 }),
    ),
    ms: fc.integer({ min: 0, max: 40 }),
    tick: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120 }), steps => {
      let last = -1;
      let lost = 0;
      const r = new Reorder(
        100,
        p => {
          expect(p.seq).toBeGreaterThan(last);
          if (last >= 0) lost -= p.seq - last - 1;
          last = p.seq;
        },
        n => {
          lost += n;
        },
      );
      let now = 0;
      for (const s of steps) {
        now += s.ms;
        r.push({ seq: s.seq, pts: 0, marker: false, payload: new Uint8Array(1) }, now);
        for (const seq of r.missing(now)) expect(seq).toBeGreaterThan(last);
        if (s.tick) r.tick(now);
      }
      r.tick(now + 100);
      expect(r.deadline).toBe(Number.POSITIVE_INFINITY);
      expect(lost).toBe(0); // every hole was told, and nothing else
    }),
    { numRuns },
  );
});

test('what is put comes out once, in order, at any pace', () => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ length: fc.integer({ min: 12, max: 1500 }), ms: fc.nat(30) }), { maxLength: 300 }),
      fc.integer({ min: 10_000, max: 10_000_000 }),
      fc.nat(65_535),
      (packets, bps, first) => {
        const box = new Outbox(bps);
        const sent: number[] = [];
        let now = 0;
        const drain = (): void => {
          for (let b = box.due(now); b; b = box.due(now))
            sent.push(((b[2] as number) << 8) | (b[3] as number));
        };
        packets.forEach(({ length, ms }, i) => {
          now += ms;
          writeRtpHeader(box.slot(), 96, false, first + i, 0, 7);
          box.put(length, now);
          drain();
          expect(box.deadline).toBeGreaterThan(now);
        });
        while (box.waiting > 0) {
          now = box.deadline;
          drain();
        }
        expect(sent).toEqual(packets.map((_, i) => (first + i) & 0xffff));
      },
    ),
    { numRuns },
  );
});
