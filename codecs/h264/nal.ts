/**
 * H.264 NAL units without start codes. ITU-T H.264 §7.3.1, types in table 7-1.
 * ```
 * |F 1|NRI 2|type 5| payload (with emulation prevention bytes)
 * ```
 */
export const NalType = { slice: 1, idr: 5, sei: 6, sps: 7, pps: 8, aud: 9, stapA: 24, fuA: 28 } as const;

export const nalType = (unit: Uint8Array): number => (unit[0] as number) & 31;

/** SPS and PPS: what a decoder needs before the first picture. */
export const isParameterSet = (unit: Uint8Array): boolean => {
  const type = nalType(unit);
  return type === NalType.sps || type === NalType.pps;
};

/**
 * The NAL units of an access unit as AVCC has it: each behind its length in `lengthSize` bytes (ISO/IEC 14496-15
 * §5.3.4.2). Views into `bytes`; empty units are left out; undefined when a length does not fit.
 */
export function readLengthPrefixed(bytes: Uint8Array, lengthSize: 1 | 2 | 3 | 4): Uint8Array[] | undefined {
  const units: Uint8Array[] = [];
  let at = 0;
  while (at < bytes.length) {
    if (at + lengthSize > bytes.length) return undefined;
    let length = 0;
    for (let i = 0; i < lengthSize; i++) length = length * 256 + (bytes[at + i] as number);
    at += lengthSize;
    if (at + length > bytes.length) return undefined;
    if (length > 0) units.push(bytes.subarray(at, at + length));
    at += length;
  }
  return units;
}
