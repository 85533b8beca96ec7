import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { MediaPacket } from '../../contract.ts';
import { RtpView } from '../rtp/rtp.ts';
import { BandwidthEstimate } from './estimate.ts';
import { Nacks } from './nacks.ts';
import { PacketLog } from './packet-log.ts';
import { restoreRtx } from './rtx.ts';
import { SentLog } from './sent-log.ts';
import { Arrivals } from './twcc.ts';
import { VideoSender } from './video-sender.ts';

const numRuns = Number(process.env.FUZZ_RUNS ?? 200);
const u16 = fc.integer({ min: 0, max: 65_535 });

test('retransmissions of any bytes', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(200), (bytes, room) => {
      if (bytes.length > 0) bytes[0] = 0x80 | (bytes[0]! & 0x3f);
      const view = new RtpView();
      if (view.read(bytes) !== undefined) return;
      const out = new Uint8Array(room);
      const length = restoreRtx(view, 96, 1, out);
      expect(length).toBeLessThanOrEqual(room);
      if (length > 0) expect(new RtpView().read(out.subarray(0, length))).toBeUndefined();
    }),
    { numRuns },
  );
});

test('holes: any numbers at any time; what is asked for is bounded and was not seen', () => {
  const step = fc.tuple(fc.oneof(u16, fc.nat(40), fc.integer({ min: 65_500, max: 65_535 })), fc.nat(30));
  fc.assert(
    fc.property(fc.array(step, { maxLength: 300 }), steps => {
      const nacks = new Nacks();
      let now = 0;
      for (const [seq, ms] of steps) {
        now += ms;
        nacks.arrived(seq, now);
        const asked = nacks.due(now);
        expect(asked.length).toBeLessThanOrEqual(256);
        expect(asked).not.toContain(seq);
        expect(nacks.deadline).toBeGreaterThan(now);
      }
    }),
    { numRuns },
  );
});

test('transport-wide feedback: any arrivals, any feedback; the estimate keeps its bounds', () => {
  const delta = fc.option(fc.integer({ min: -32_768, max: 32_767 }), { nil: undefined });
  const told = fc.record({
    base: u16,
    reference: fc.integer({ min: -(2 ** 23), max: 2 ** 23 - 1 }),
    arrivals: fc.array(delta, { maxLength: 60 }),
  });
  fc.assert(
    fc.property(
      fc.array(fc.tuple(u16, fc.nat(10_000)), { maxLength: 100 }),
      fc.array(fc.tuple(told, fc.nat(40)), { maxLength: 40 }),
      (numbers, feedbacks) => {
        const arrivals = new Arrivals();
        let now = 0;
        for (const [number, ms] of numbers) {
          now += ms;
          arrivals.arrived(number, now);
          if (now < arrivals.deadline) continue;
          for (const f of arrivals.feedback(1, 2)) {
            expect(f.arrivals.length).toBeLessThanOrEqual(400);
            expect(f.arrivals.some(a => a !== undefined)).toBe(true);
          }
        }
        const log = new SentLog();
        const estimate = new BandwidthEstimate();
        for (const [f, ms] of feedbacks) {
          for (let i = 0; i < 20; i++) log.next(1000, now);
          now += ms;
          log.feedback({ type: 'twcc', sender: 1, media: 2, count: 0, ...f }, now, estimate);
          estimate.update(now);
          expect(estimate.bps).toBeGreaterThanOrEqual(50_000);
          expect(estimate.bps).toBeLessThanOrEqual(50_000_000);
        }
      },
    ),
    { numRuns },
  );
});

test('the log: what it finds is what was put, whatever sizes and times', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(1460), fc.nat(50)), { maxLength: 600 }), puts => {
      const log = new PacketLog();
      let now = 0;
      const kept = puts.map(([bytes, ms], seq) => {
        now += ms;
        const payload = new Uint8Array(bytes).fill(seq);
        return { position: log.put({ seq, pts: seq, marker: false, payload }, now), payload };
      });
      for (const { position, payload } of kept)
        if (log.find(position)) expect(Buffer.compare(log.payload, payload)).toBe(0);
      if (kept.length > 0) expect(log.find(kept.at(-1)!.position)).toBe(true);
    }),
    { numRuns: numRuns / 4 },
  );
});

test('a line of pictures: whatever is played into it, no number goes out twice', () => {
  const source = fc.array(fc.tuple(fc.nat(2000), fc.nat(4000)), { minLength: 1, maxLength: 40 });
  fc.assert(
    fc.property(fc.array(source, { maxLength: 6 }), sources => {
      const sender = new VideoSender({ random: n => Buffer.alloc(n, 7), unixAtZero: 0, rtx: true });
      const log = new PacketLog();
      const out = Buffer.alloc(100);
      const seen = new Set<number>();
      let now = 0;
      for (const packets of sources) {
        sender.serve(96, 97, log);
        for (const [seq, ms] of packets) {
          now += ms;
          const p: MediaPacket = { seq, pts: seq * 3000, marker: false, payload: Buffer.from([seq]) };
          if (!sender.take(p, now)) continue;
          sender.write(p, out, 0, now);
          const sent = out.readUInt16BE(2);
          expect(seen.has(sent)).toBe(false);
          seen.add(sent);
          expect(Buffer.from(sender.find(sent)!)).toEqual(Buffer.from([seq]));
        }
      }
    }),
    { numRuns },
  );
});
