import { NalType, nalType } from './nal.ts';
import { readSps } from './sps.ts';

/**
 * AVCDecoderConfigurationRecord, "avcC": how MP4 and FLV carry parameter sets. ISO/IEC 14496-15 §5.3.3.1.
 * ```
 * |version 1|profile 1|compatibility 1|level 1|111111|length size − 1 (2)|111|SPS count 5|
 * | (length 2 | SPS) × count | PPS count 1 | (length 2 | PPS) × count |
 * | profiles 100, 110, 122, 144: 111111|chroma 2| 11111|luma depth − 8 (3)| 11111|chroma depth − 8 (3)| SPS ext count 1 |
 * ```
 */
export interface Avcc {
  readonly lengthSize: 1 | 2 | 3 | 4;
  readonly sps: readonly Uint8Array[];
  readonly pps: readonly Uint8Array[];
}

/** Profiles whose SPS tells chroma format and bit depth (H.264 §7.3.2.1.1), and of them those the record repeats. */
const EXTENDED_PROFILES = [100, 110, 122, 144];

/** Undefined when it is junk or holds no SPS. Views into `b`. Never throws. */
export function readAvcc(b: Uint8Array): Avcc | undefined {
  if (b.length < 7 || b[0] !== 1) return undefined;
  const lengthSize = (((b[4] as number) & 3) + 1) as Avcc['lengthSize'];
  let at = 5;
  const sets = (count: number, type: number): Uint8Array[] | undefined => {
    const list: Uint8Array[] = [];
    for (let i = 0; i < count; i++) {
      if (at + 2 > b.length) return undefined;
      const length = (b[at] as number) * 256 + (b[at + 1] as number);
      at += 2;
      if (length === 0 || at + length > b.length) return undefined;
      const unit = b.subarray(at, at + length);
      if (nalType(unit) !== type) return undefined;
      list.push(unit);
      at += length;
    }
    return list;
  };
  const sps = sets((b[at++] as number) & 31, NalType.sps);
  if (sps === undefined || sps.length === 0 || at >= b.length) return undefined;
  const pps = sets(b[at++] as number, NalType.pps);
  return pps && { lengthSize, sps, pps };
}

/** The record for these parameter sets (at least one SPS of four bytes), with four-byte lengths. */
export function writeAvcc(sps: readonly Uint8Array[], pps: readonly Uint8Array[]): Buffer {
  const first = sps[0] as Uint8Array;
  const parts: Uint8Array[] = [
    Uint8Array.of(1, first[1] as number, first[2] as number, first[3] as number, 0xff, 0xe0 | sps.length),
  ];
  const add = (unit: Uint8Array): void => {
    parts.push(Uint8Array.of(unit.length >> 8, unit.length & 255), unit);
  };
  sps.forEach(add);
  parts.push(Uint8Array.of(pps.length));
  pps.forEach(add);
  const format = EXTENDED_PROFILES.includes(first[1] as number) ? readSps(first) : undefined;
  if (format !== undefined)
    parts.push(Uint8Array.of(0xfc | format.chroma, 0xf8 | format.lumaDepth, 0xf8 | format.chromaDepth, 0));
  return Buffer.concat(parts);
}
