import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { makeIdentity } from '../../src/proto/dtls/identity.ts';
import type { Keying } from '../../src/proto/sdp/keying.ts';
import { freshKeys, SUITES } from '../../src/proto/sdp/sdes.ts';
import { SecureChannel } from './secure-channel.ts';

const numRuns = Number(process.env.FUZZ_RUNS ?? 200);
const identity = makeIdentity(randomBytes(8), Date.now());

const dtls = (role: 'client' | 'server', id: string): Keying => ({
  type: 'dtls',
  role,
  fingerprints: [identity.fingerprint],
  id,
});
const KEYINGS: readonly Keying[] = [
  ...SUITES.map((profile, tag): Keying => {
    const [send, receive] = [freshKeys(profile, randomBytes), freshKeys(profile, randomBytes)];
    return { type: 'sdes', tag, send, receive, ...(tag === 1 && { mki: Uint8Array.of(1) }) };
  }),
  dtls('client', 'a'),
  dtls('server', 'b'),
  dtls('client', 'c'),
  { type: 'none' },
];

test('whatever comes and whatever is agreed in between: never a throw, and no packet is believed', () => {
  const step = fc.oneof(
    fc.record({ agreed: fc.constantFrom(...KEYINGS) }),
    fc.record({
      bytes: fc.uint8Array({ maxLength: 1500 }),
      first: fc.constantFrom(0, 22, 23, 128, 144, 255),
    }),
    fc.record({ wait: fc.nat(20_000) }),
    fc.record({ send: fc.nat(1500) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), steps => {
      const channel = new SecureChannel({
        identity,
        random: randomBytes,
        count: () => {},
        send: () => {},
        renumber: () => {},
        failed: () => {},
      });
      let now = 0;
      for (const s of steps) {
        if ('agreed' in s) channel.agreed(s.agreed, true, now);
        else if ('wait' in s) {
          now += s.wait;
          if (now >= channel.deadline) channel.tick(now);
        } else if ('send' in s) {
          const packet = Buffer.alloc(12 + s.send, 128);
          const sealed = channel.seal(packet, packet.length, 12, Buffer.alloc(2048));
          expect(sealed === 0 || sealed > packet.length).toBe(true);
        } else {
          const bytes = Buffer.from(s.bytes);
          if (bytes.length > 0) bytes[0] = s.first;
          channel.datagram(bytes, now);
          expect(typeof channel.open(bytes, now)).toBe('string');
          expect(typeof channel.openRtcp(bytes, now)).toBe('string');
        }
      }
      channel.close(now);
    }),
    { numRuns },
  );
});
