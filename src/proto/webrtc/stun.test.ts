import { crc32 as zlibCrc32 } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { crc32 } from './crc32.ts';
import { makeCheck } from './stun.testing.ts';
import { bindingError, bindingSuccess, integrityHolds, readStun, type StunMessage } from './stun.ts';

const hex = (text: string): Buffer => Buffer.from(text.replace(/\s/g, ''), 'hex');
const read = (bytes: Buffer): StunMessage => readStun(bytes) as StunMessage;

/** RFC 5769 §2.1. */
const REQUEST = hex(
  '000100582112a442b7e7a701bc34d686fa87dfae 802200105354554e207465737420636c69656e74 002400046e0001ff' +
    '80290008932ff9b151263b36 000600096576746a3a68367659202020' +
    '000800149aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a2 80280004e57a3bcf',
);
const PASSWORD = 'VOkJxbRl1RmTxUk/WvJxBt';

describe('RFC 5769', () => {
  test('§2.1: the sample request reads and holds', () => {
    expect(read(REQUEST)).toMatchObject({
      type: 1,
      username: 'evtj:h6vY',
      controlled: true,
      useCandidate: false,
      unknown: [],
    });
    expect(integrityHolds(read(REQUEST), PASSWORD)).toBe(true);
    expect(integrityHolds(read(REQUEST), `${PASSWORD}x`)).toBe(false);
  });

  test('§2.2, §2.3: mapped addresses of both families', () => {
    const v4 = bindingSuccess(read(REQUEST), PASSWORD, '192.0.2.1', 32853)!;
    expect(v4.subarray(0, 32)).toEqual(
      hex('0101002c2112a442b7e7a701bc34d686fa87dfae 002000080001a147e112a643'),
    );
    const v6 = bindingSuccess(read(REQUEST), PASSWORD, '2001:db8:1234:5678:11:2233:4455:6677', 32853)!;
    expect(v6.subarray(20, 44)).toEqual(hex('002000140002a1470113a9faa5d3f179bc25f4b5bed2b9d9'));
    for (const answer of [v4, v6]) {
      expect(read(answer).type).toBe(0x0101);
      expect(integrityHolds(read(answer), PASSWORD)).toBe(true);
    }
    expect(bindingSuccess(read(REQUEST), PASSWORD, 'nonsense', 1)).toBeUndefined();
  });
});

test('every flipped bit of a request is junk or no longer holds', () => {
  for (let bit = 0; bit < REQUEST.length * 8; bit++) {
    const forged = Buffer.from(REQUEST);
    forged[bit >> 3]! ^= 1 << (bit & 7);
    expect(readStun(forged), `bit ${bit}`).toBeTypeOf('string');
  }
  const forged = makeCheck({ username: 'a:b', password: 'other' });
  expect(integrityHolds(read(forged), PASSWORD)).toBe(false);
});

test('what follows MESSAGE-INTEGRITY is not believed', () => {
  const check = makeCheck({ username: 'a:b', password: 'p' });
  const end = check.length - 8;
  const added = Buffer.concat([check.subarray(0, end), hex('00250000'), check.subarray(end)]);
  added.writeUInt16BE(added.length - 20, 2);
  added.writeUInt32BE((crc32(added.subarray(0, -8)) ^ 0x5354554e) >>> 0, added.length - 4);
  expect(read(added)).toMatchObject({ useCandidate: false });
  expect(integrityHolds(read(added), 'p')).toBe(true);
});

test('errors name what was not understood', () => {
  const m = read(
    makeCheck({ username: 'a:b', password: 'p', more: [{ type: 0x7777, value: Buffer.alloc(3) }] }),
  );
  expect(m.unknown).toEqual([0x7777]);
  const answer = bindingError(m, 'p', 420);
  expect(answer.includes(hex('000a00027777'))).toBe(true);
  expect(answer.includes(hex('00000414'))).toBe(true);
  expect(integrityHolds(read(answer), 'p')).toBe(true);
});

test('CRC-32 is that of zlib', () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), b => void expect(crc32(b)).toBe(zlibCrc32(b))));
});
