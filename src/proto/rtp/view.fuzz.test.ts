import fc from 'fast-check';
import { expect, test } from 'vitest';
import { RTP_HEADER_BYTES, RtpView, writeRtpHeader } from './rtp.ts';

const numRuns = Number(process.env.FUZZ_RUNS ?? 200);
const view = new RtpView();

test('any bytes are junk or a packet whose parts lie within it', () => {
  const bytes = fc
    .tuple(fc.integer({ min: 0x80, max: 0xbf }), fc.uint8Array({ maxLength: 120 }))
    .map(([b0, rest]) => {
      rest[0] = b0;
      return rest;
    });
  fc.assert(
    fc.property(
      fc.oneof(bytes, fc.uint8Array({ maxLength: 40 })),
      fc.integer({ min: 0, max: 256 }),
      (b, id) => {
        if (view.read(b) !== undefined) return;
        const { extensionStart, extensionEnd, payloadStart, payloadEnd } = view;
        expect(extensionStart).toBeGreaterThanOrEqual(RTP_HEADER_BYTES);
        expect(extensionEnd).toBeGreaterThanOrEqual(extensionStart);
        expect(payloadStart).toBeGreaterThanOrEqual(extensionEnd);
        expect(payloadEnd).toBeGreaterThanOrEqual(payloadStart);
        expect(b.length).toBeGreaterThanOrEqual(payloadEnd);
        const at = view.extension(id);
        if (at !== -1) {
          expect(at).toBeGreaterThan(extensionStart);
          expect(at).toBeLessThan(extensionEnd);
        }
      },
    ),
    { numRuns },
  );
});

test('what is written is read, counters of any width', () => {
  const counter = fc.integer({ min: 0, max: 2 ** 52 });
  fc.assert(
    fc.property(
      fc.nat(127),
      fc.boolean(),
      counter,
      counter,
      fc.integer({ min: 0, max: 2 ** 32 - 1 }),
      fc.uint8Array({ maxLength: 50 }),
      (payloadType, marker, seq, timestamp, ssrc, payload) => {
        const out = Buffer.alloc(RTP_HEADER_BYTES + payload.length);
        writeRtpHeader(out, payloadType, marker, seq, timestamp, ssrc);
        out.set(payload, RTP_HEADER_BYTES);
        expect(view.read(out)).toBeUndefined();
        expect(view).toMatchObject({
          payloadType,
          marker,
          ssrc,
          seq: seq % 2 ** 16,
          timestamp: timestamp % 2 ** 32,
        });
        expect(Buffer.from(view.payload())).toEqual(Buffer.from(payload));
      },
    ),
    { numRuns },
  );
});
