import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Refusal } from '../../kit/refusal.ts';
import { readFragment } from './answer.ts';
import { readOffer } from './offer.ts';
import { makeOffer } from './sdp.testing.ts';
import { makeCheck } from './stun.testing.ts';
import { integrityHolds, readStun } from './stun.ts';

const numRuns = Number(process.env.FUZZ_RUNS ?? 200);

/** Only refusals may be thrown. */
const refuses = (text: string): void => {
  try {
    readOffer(text);
  } catch (error) {
    expect(error).toBeInstanceOf(Refusal);
  }
};

test('STUN: any bytes, and a good check cut or changed anywhere', () => {
  const good = makeCheck({ username: 'a:b', password: 'p' });
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 200 }),
      fc.nat(3),
      fc.nat(good.length),
      fc.nat(255),
      (bytes, first, at, byte) => {
        if (bytes.length > 0) bytes[0] = first;
        readStun(Buffer.from(bytes));
        if (at < good.length) {
          expect(readStun(good.subarray(0, at))).toBeTypeOf('string');
          const changed = Buffer.from(good);
          changed[at] = byte;
          const m = readStun(changed);
          if (typeof m !== 'string') expect(integrityHolds(m, 'p')).toBe(changed.equals(good));
        }
      },
    ),
    { numRuns },
  );
});

test('SDP: any text, and a good offer with lines changed, cut, repeated or moved', () => {
  const lines = makeOffer([
    { more: ['a=fmtp:111 a=b', 'a=extmap:1 urn:x', 'a=rtcp-fb:111 nack', 'a=ssrc:1 cname:x'] },
    { kind: 'video', codecs: ['96 H264/90000'], more: ['a=simulcast:send 1;2', 'a=rid:1 send'] },
  ]).split('\r\n');
  const word = fc.oneof(
    fc.string(),
    fc.constantFrom(
      'm=',
      'm=audio',
      'a=fingerprint:sha-256',
      'a=rtpmap:0',
      'a=group:',
      'a=mid:',
      'a=fmtp:1',
      '0',
      '-1',
      '1e9',
    ),
  );
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(lines.length), word, fc.nat(3)), { maxLength: 6 }),
      fc.string(),
      (edits, text) => {
        refuses(text);
        refuses(`v=0\r\n${text}`);
        const changed = [...lines];
        for (const [at, by, how] of edits) {
          if (how === 0) changed.splice(at, 1);
          else if (how === 1) changed.splice(at, 0, by);
          else if (how === 2) changed[at] = (changed[at] ?? '').slice(0, by.length) + by;
          else changed.splice(at, 0, changed[(at * 7) % changed.length] ?? '');
        }
        refuses(changed.join('\r\n'));
        readFragment(changed.join('\r\n'));
      },
    ),
    { numRuns },
  );
});
