import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { SrtpProfile } from './profile.ts';
import { SrtpReceiver } from './receiver.ts';
import { SrtpSender } from './sender.ts';

const numRuns = Number(process.env.FUZZ_RUNS ?? 200);

test.each<SrtpProfile>(['AES_CM_128_HMAC_SHA1_80', 'AEAD_AES_128_GCM'])(
  '%s: any bytes are junk, never a throw',
  profile => {
    const keys = {
      profile,
      masterKey: Buffer.alloc(16),
      masterSalt: Buffer.alloc(profile === 'AEAD_AES_128_GCM' ? 12 : 14),
    };
    const sender = new SrtpSender(keys);
    const receiver = new SrtpReceiver(keys);
    const good = sender.sealRtcp(Buffer.from('80c9000101020304', 'hex'));
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 5000 }),
        fc.nat(255),
        fc.nat(good.length),
        (bytes, first, cut) => {
          if (bytes.length > 0) bytes[0] = first;
          expect(typeof receiver.open(bytes)).toBe('string');
          expect(typeof receiver.openRtcp(bytes)).toBe('string');
          if (cut < good.length) expect(typeof receiver.openRtcp(good.subarray(0, cut))).toBe('string');
        },
      ),
      { numRuns },
    );
  },
);
