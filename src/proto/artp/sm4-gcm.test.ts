import { createCipheriv } from 'node:crypto';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { directionCipher } from './keys.ts';
import { Sm4GcmCipher } from './sm4-gcm.ts';

const hex = (text: string): Buffer => Buffer.from(text.replace(/\s/g, ''), 'hex');

it('RFC 8998 A.1: SM4-GCM', () => {
  const cipher = new Sm4GcmCipher(hex('0123456789ABCDEFFEDCBA9876543210'), Buffer.alloc(12));
  const data = hex('FEEDFACEDEADBEEFFEEDFACEDEADBEEFABADDAD2');
  const plain = hex(
    'AAAAAAAAAAAAAAAABBBBBBBBBBBBBBBBCCCCCCCCCCCCCCCCDDDDDDDDDDDDDDDD' +
      'EEEEEEEEEEEEEEEEFFFFFFFFFFFFFFFFEEEEEEEEEEEEEEEEAAAAAAAAAAAAAAAA',
  );
  const sealed = hex(
    '17F399F08C67D5EE19D0DC9969C4BB7D5FD46FD3756489069157B282BB200735' +
      'D82710CA5C22F0CCFA7CBF93D496AC15A56834CBCF98C397B4024A2691233B8D' +
      '83DE3541E4C2B58177E065A9BF7B62EC',
  );
  // The nonce of the vector, 00001234567800000000ABCD, is what SSRC, ROC and sequence make of a salt of zeros.
  const out = Buffer.alloc(data.length + sealed.length);
  data.copy(out);
  expect(cipher.seal(out, data.length, plain, 0x12345678, 0, 0xabcd)).toBe(out.length);
  expect(out).toEqual(Buffer.concat([data, sealed]));
  const opened = Buffer.alloc(data.length + plain.length);
  expect(cipher.open(out, data.length, opened, 0x12345678, 0, 0xabcd)).toBe(true);
  expect(opened).toEqual(Buffer.concat([data, plain]));
});

it('opens what it sealed, at every length, and nothing that was touched', () => {
  const cipher = directionCipher(Buffer.alloc(32, 3), 'from-client', 2, 'sm4-gcm', 'rtp');
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 70 }), fc.nat(0xffff), fc.nat(200), (payload, seq, touched) => {
      const out = Buffer.alloc(12 + payload.length + 16);
      out.writeUInt16BE(seq, 2);
      cipher.seal(out, 12, payload, 5, 0, seq);
      const plain = Buffer.alloc(12 + payload.length);
      expect(cipher.open(out, 12, plain, 5, 0, seq)).toBe(true);
      expect(plain.subarray(12).equals(payload)).toBe(true);
      out[touched % out.length]! ^= 1;
      expect(cipher.open(out, 12, plain, 5, 0, seq)).toBe(false);
    }),
    { numRuns: 60 },
  );
});

it('seals RTCP in the layout of RFC 7714 §9, opens it, and nothing that was touched', () => {
  const cipher = directionCipher(Buffer.alloc(32, 3), 'from-server', 0, 'sm4-gcm', 'rtcp');
  const plain = hex('81cc0003 00c00000 61525450 deadbeef');
  const word = 0x80000007;
  const sealed = cipher.sealRtcp(plain, 0xc00000, word);
  expect(sealed.subarray(0, 8)).toEqual(plain.subarray(0, 8));
  expect(sealed.readUInt32BE(sealed.length - 4)).toBe(word);
  expect(sealed).toHaveLength(plain.length + 20);
  expect(cipher.openRtcp(sealed, 0xc00000, word)).toEqual(plain);
  for (let i = 0; i < sealed.length - 4; i++) {
    const touched = Buffer.from(sealed);
    touched[i]! ^= 0x10;
    expect(cipher.openRtcp(touched, 0xc00000, word), `byte ${i}`).toBeUndefined();
  }
  expect(cipher.openRtcp(sealed, 0xc00000, 0x80000008)).toBeUndefined();
});

it('keys differ by direction, epoch and kind', () => {
  const block = (...a: Parameters<typeof directionCipher>): string => {
    const out = Buffer.alloc(44);
    directionCipher(...a).seal(out, 12, Buffer.alloc(16), 1, 0, 1);
    return out.subarray(12).toString('hex');
  };
  const secret = Buffer.alloc(32, 9);
  const all = (['aes-128-gcm', 'sm4-gcm'] as const).flatMap(suite =>
    (['from-client', 'from-server'] as const).flatMap(direction =>
      [0, 1].flatMap(epoch =>
        (['rtp', 'rtcp'] as const).map(kind => block(secret, direction, epoch, suite, kind)),
      ),
    ),
  );
  expect(new Set(all).size).toBe(16);
  expect(() => directionCipher(Buffer.alloc(31), 'from-client', 0, 'sm4-gcm', 'rtp')).toThrow(RangeError);
});

it('is made of the SM4 of OpenSSL', () => {
  // GB/T 32907-2016, example 1.
  const key = hex('0123456789abcdeffedcba9876543210');
  const block = createCipheriv('sm4-ecb', key, null).setAutoPadding(false).update(key);
  expect(block).toEqual(hex('681edf34d206965e86b3e94f536e4246'));
});
