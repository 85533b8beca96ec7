import { describe, expect, it } from 'vitest';
import { type Amf, EcmaArray, readAmf0, writeAmf0 } from './amf0.ts';

const values = (bytes: Uint8Array): readonly Amf[] => {
  const read = readAmf0(bytes);
  if ('junk' in read) throw new Error(read.junk);
  return read.values;
};

describe('AMF 0', () => {
  it('writes the bytes of a connect command', () => {
    const bytes = writeAmf0('connect', 1, { app: 'room', fpad: false });
    expect(bytes.toString('hex')).toBe(
      '020007636f6e6e656374' + // string "connect"
        '003ff0000000000000' + // number 1
        '03' + // object
        '0003617070020004726f6f6d' + // app: "room"
        '0004667061640100' + // fpad: false
        '000009',
    );
  });

  it('reads back every kind it writes', () => {
    const long = 'x'.repeat(70_000);
    const all = ['é', 1.5, true, false, null, undefined, [1, 'two', null], { a: { b: [1] } }, long];
    expect(values(writeAmf0(...all))).toEqual(all);
    expect(values(writeAmf0(new EcmaArray({ width: 640 })))).toEqual([{ width: 640 }]);
  });

  it('reads dates, typed objects, XML and what stands for nothing', () => {
    const hex =
      '0b40590000000000000000' + // date 100
      '1000014b000161003ff0000000000000000009' + // class "K" { a: 1 }
      '0f000000023c2f' + // xml "</"
      '0d';
    expect(values(Buffer.from(hex, 'hex'))).toEqual([100, { a: 1 }, '</', undefined]);
  });

  it('refuses what a stranger could grow', () => {
    const nested = Buffer.from('0a00000001'.repeat(50), 'hex');
    expect(readAmf0(nested)).toEqual({ junk: 'nested too deep' });
    expect(readAmf0(Buffer.from('0affffffff', 'hex'))).toEqual({ junk: 'too many values' });
    expect(readAmf0(Buffer.alloc(5000, 0x05))).toEqual({ junk: 'too many values' });
    expect(readAmf0(Buffer.from('11', 'hex'))).toEqual({ junk: 'marker 17' });
  });

  it('keeps a key named __proto__ a key', () => {
    const key = Buffer.concat([Buffer.from('03000a', 'hex'), Buffer.from('__proto__x')]);
    expect(readAmf0(key)).toEqual({ junk: 'cut short' });
    const [object] = values(Buffer.from('0300095f5f70726f746f5f5f0101000009', 'hex'));
    expect(Object.keys(object as object)).toEqual(['__proto__']);
    expect(Object.getPrototypeOf(object)).toBeNull();
  });

  it('is junk when cut at any place but between values', () => {
    const bytes = writeAmf0({ a: 1, b: 'text', c: [true] });
    for (let n = 1; n < bytes.length; n++)
      expect(readAmf0(bytes.subarray(0, n))).toEqual({ junk: 'cut short' });
  });
});
