import fc from 'fast-check';
import { test } from 'vitest';
import { Latch } from './latch.ts';
import { readRtcp, writeRtcp } from './rtcp.ts';
import { RtpSession } from './session.ts';

const numRuns = Number(process.env.FUZZ_RUNS ?? 200);
const random = (n: number): Buffer => Buffer.alloc(n, 7);

/** Bytes that look like RTCP far enough to reach every reader. */
const rtcpLike = fc
  .array(
    fc.record({
      head: fc.integer({ min: 0x80, max: 0xbf }),
      type: fc.integer({ min: 198, max: 208 }),
      body: fc.uint8Array({ maxLength: 80 }),
    }),
    { maxLength: 6 },
  )
  .map(list =>
    Buffer.concat(
      list.map(({ head, type, body }) => {
        const words = body.length >> 2;
        return Buffer.concat([Buffer.of(head, type, 0, words), body.subarray(0, words * 4)]);
      }),
    ),
  );

test('readRtcp never throws, and what it reads can be written and read again', () => {
  fc.assert(
    fc.property(fc.oneof(rtcpLike, fc.uint8Array({ maxLength: 200 })), bytes => {
      const packets = readRtcp(bytes);
      if (typeof packets === 'string' || packets.length === 0) return;
      const again = readRtcp(writeRtcp(packets));
      if (typeof again === 'string') throw new Error(again);
    }),
    { numRuns },
  );
});

test('a session survives any datagrams and goes on with a clean line of packets', () => {
  const datagram = fc.oneof(
    fc.uint8Array({ maxLength: 60 }),
    fc
      .tuple(
        fc.integer({ min: 0, max: 255 }),
        fc.integer({ min: 0, max: 65535 }),
        fc.integer({ min: 0, max: 2 ** 32 - 1 }),
      )
      .map(([b1, seq, timestamp]) => {
        const b = Buffer.alloc(14, 0x80);
        b[1] = b1;
        b.writeUInt16BE(seq, 2);
        b.writeUInt32BE(timestamp, 4);
        return b;
      }),
  );
  fc.assert(
    fc.property(fc.array(datagram, { maxLength: 80 }), datagrams => {
      const s = new RtpSession({ cname: 'x', random, unixAtZero: 0, now: 0 });
      s.receiver.expect(
        new Map([
          [0, 8000],
          [96, 48000],
        ]),
        new Set([101]),
      );
      const seen = new Set<number>();
      datagrams.forEach((d, i) => {
        if (s.receiver.read(d, i * 20) === undefined && !s.receiver.aside) {
          const { seq, pts } = s.receiver.packet;
          if (!Number.isSafeInteger(seq) || seq < 0 || !Number.isSafeInteger(pts))
            throw new Error(`${seq} ${pts}`);
          seen.add(seq);
        }
        s.rtcp(d, i * 20);
        if (typeof readRtcp(s.report(i * 20)) === 'string') throw new Error('bad report');
      });
    }),
    { numRuns },
  );
});

test('nobody takes over a stream from its signalled source, whatever strangers send and however often', () => {
  const phone = { address: '192.168.1.20', port: 4000 };
  const stranger = fc
    .tuple(fc.ipV4(), fc.integer({ min: 1, max: 65_535 }))
    .filter(([a]) => a !== phone.address);
  const step = fc.oneof(stranger, fc.constant('phone' as const), fc.constant('re-INVITE' as const));
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), steps => {
      const latch = new Latch('198.51.100.7');
      latch.signal(phone, 0);
      latch.accept(phone.address, phone.port, 0);
      steps.forEach((s, i) => {
        if (s === 're-INVITE') latch.signal(phone, i * 20);
        else if (s === 'phone') {
          if (!latch.accept(phone.address, phone.port, i * 20)) throw new Error('the phone is not heard');
        } else if (latch.accept(s[0], s[1], i * 20)) throw new Error(`${s} took the stream`);
      });
    }),
    { numRuns },
  );
});
