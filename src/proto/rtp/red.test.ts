import { describe, expect, it } from 'vitest';
import { RedView, RedWriter } from './red.ts';

const hex = (s: string): Buffer => Buffer.from(s.replaceAll(/[\s|]/g, ''), 'hex');
const ascii = (s: string): Uint8Array => Buffer.from(s, 'latin1');

/** Written out by hand from RFC 2198 §3: headers of all blocks, then the data of all blocks. */
describe('RED', () => {
  const writer = new RedWriter();
  const out = new Uint8Array(2000);
  const written = (primaryType: number, primary: string): Buffer =>
    Buffer.from(out.subarray(0, writer.write(out, primaryType, ascii(primary))));

  it('with one earlier block: RFC 2198 §4, a PCMU packet 20 ms after the one it repeats', () => {
    writer.begin();
    writer.add(5, 160, ascii('earlier'), 0, 7);
    // F=1 PT=5 → 85; 160 = 0000 0010 1000 00, 7 = 00 0000 0111 → 02 80 07; F=0 PT=0 → 00
    expect(written(0, 'now')).toEqual(hex('85 02 80 07 | 00 | 6561726c696572 | 6e6f77'));
  });

  it('with two blocks, the limits of both fields, and a piece of a larger buffer', () => {
    writer.begin();
    writer.add(96, 0x3fff, new Uint8Array(1023).fill(0x61), 0, 1023);
    writer.add(96, 0, ascii('__b_'), 2, 1);
    const bytes = written(127, 'c');
    expect(bytes.subarray(0, 9)).toEqual(hex('e0 ff ff ff | e0 00 00 01 | 7f'));
    expect(bytes.length).toBe(9 + 1023 + 2);
    expect(bytes.subarray(9 + 1022)).toEqual(hex('61 62 63'));
  });

  it('with an empty block, which only keeps a place, and without any', () => {
    writer.begin();
    writer.add(96, 0, ascii(''), 0, 0);
    expect(written(96, 'x')).toEqual(hex('e0 00 00 00 | 60 | 78'));
    writer.begin();
    expect(written(96, 'x')).toEqual(hex('60 78'));
  });

  it('refuses to write what the fields cannot say', () => {
    writer.begin();
    expect(() => writer.add(96, 0x4000, ascii(''), 0, 0)).toThrow(RangeError);
    expect(() => writer.add(96, -1, ascii(''), 0, 0)).toThrow(RangeError);
    expect(() => writer.add(96, 0, new Uint8Array(2000), 0, 1024)).toThrow(RangeError);
  });

  it('reads what it writes, from anywhere in a buffer', () => {
    const packet = hex('ffff | 85 02 80 07 | 86 01 40 02 | 00 | 6561726c696572 | 6262 | 6e6f77 | ee');
    const view = new RedView();
    expect(view.read(packet, 2, packet.length - 1)).toBeUndefined();
    expect(view.blocks).toBe(2);
    expect([...view.types.subarray(0, 2)]).toEqual([5, 6]);
    expect([...view.offsets.subarray(0, 2)]).toEqual([160, 80]);
    const data = (i: number): string =>
      packet.toString('latin1', view.starts[i], view.starts[i]! + view.lengths[i]!);
    expect([data(0), data(1)]).toEqual(['earlier', 'bb']);
    expect(view.primaryType).toBe(0);
    expect(packet.toString('latin1', view.primaryStart, packet.length - 1)).toBe('now');
  });

  it('is junk when cut anywhere before its primary, or with more blocks than anybody writes', () => {
    const packet = hex('85 02 80 07 | 86 01 40 02 | 00 | 6561726c696572 | 6262 | 6e6f77');
    const view = new RedView();
    for (let cut = 0; cut < packet.length - 3; cut++) expect(view.read(packet, 0, cut)).toBe('red-short');
    for (let cut = packet.length - 3; cut <= packet.length; cut++)
      expect(view.read(packet, 0, cut)).toBeUndefined();
    const many = Buffer.concat([...Array.from({ length: 17 }, () => hex('85000000')), hex('00')]);
    expect(view.read(many, 0, many.length)).toBe('red-blocks');
  });
});
