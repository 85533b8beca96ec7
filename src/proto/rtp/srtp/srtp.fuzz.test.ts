import fc from 'fast-check';
import { expect, test } from 'vitest';
import { isSrtpProfile, SRTP_PROFILES } from './profile.ts';
import { SrtpReceiver } from './receiver.ts';
import { SrtpSender } from './sender.ts';

const numRuns = Number(process.env.FUZZ_RUNS ?? 200);

test.each(Object.keys(SRTP_PROFILES).filter(isSrtpProfile))(
  '%s: any bytes are junk, never a throw',
  profile => {
    const { keyBytes, saltBytes } = SRTP_PROFILES[profile];
    const keys = { profile, masterKey: Buffer.alloc(keyBytes), masterSalt: Buffer.alloc(saltBytes) };
    const sender = new SrtpSender(keys);
    const receiver = new SrtpReceiver(keys);
    const withMki = new SrtpReceiver(keys, { mki: Uint8Array.of(0, 1) });
    const good = sender.sealRtcp(Buffer.from('80c9000101020304', 'hex'));
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 5000 }),
        fc.nat(255),
        fc.nat(good.length),
        (bytes, first, cut) => {
          if (bytes.length > 0) bytes[0] = first;
          // A tag of 32 bits is guessed once in 4 · 10⁹ times.
          for (const r of [receiver, withMki]) expect(typeof r.open(bytes)).toBe('string');
          for (const r of [receiver, withMki]) expect(typeof r.openRtcp(bytes)).toBe('string');
          if (cut < good.length) expect(typeof receiver.openRtcp(good.subarray(0, cut))).toBe('string');
        },
      ),
      { numRuns },
    );
  },
);
