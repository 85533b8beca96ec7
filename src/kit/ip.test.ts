import { isIP } from 'node:net';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ipBytes } from './ip.ts';

const hex = (text: string): string | undefined => {
  const bytes = ipBytes(text);
  return bytes && Buffer.from(bytes).toString('hex');
};

test('addresses become their bytes', () => {
  expect(hex('192.0.2.1')).toBe('c0000201');
  expect(hex('::1')).toBe('00000000000000000000000000000001');
  expect(hex('::')).toBe('0'.repeat(32));
  expect(hex('2001:db8::a:0:1')).toBe('20010db8000000000000000a00000001');
  expect(hex('fe80::1%eth0')).toBe('fe800000000000000000000000000001');
  expect(hex('::ffff:192.0.2.1')).toBe('c0000201');
  expect(hex('64:ff9b::192.0.2.33')).toBe('0064ff9b0000000000000000c0000221');
  for (const wrong of [
    '',
    '1.2.3',
    '1.2.3.256',
    '01.2.3.4',
    'host',
    '1::2::3',
    '1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7::8',
    ':1::2',
    '12345::',
  ])
    expect(hex(wrong), wrong).toBeUndefined();
});

test('agrees with node:net on what an address is', () => {
  fc.assert(
    fc.property(fc.oneof(fc.ipV4(), fc.ipV6(), fc.string()), text => {
      const bytes = ipBytes(text);
      const family = isIP(text);
      if (family === 4) expect(bytes?.length).toBe(4);
      else if (family === 6) expect([4, 16]).toContain(bytes?.length);
      else if (!text.includes('%')) expect(bytes).toBeUndefined();
    }),
  );
});
