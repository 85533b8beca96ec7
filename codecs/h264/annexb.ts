/**
 * The byte stream format of H.264 annex B: `00 00 01 unit`, `00 00 00 01 unit` …
 * Views into `bytes`; empty units are left out; what stands before the first start code is skipped.
 */
export function readAnnexB(bytes: Uint8Array): Uint8Array[] {
  const units: Uint8Array[] = [];
  let from = -1;
  const end = (to: number): void => {
    if (from < 0) return;
    while (to > from && bytes[to - 1] === 0) to--; // trailing_zero_8bits; a unit never ends in zero (§7.4.1)
    if (to > from) units.push(bytes.subarray(from, to));
  };
  for (let i = 2; i < bytes.length; i++) {
    const last = bytes[i] as number;
    if (last > 1)
      i += 2; // no start code ends here, on the next byte, or on the one behind it
    else if (last === 1 && bytes[i - 1] === 0 && bytes[i - 2] === 0) {
      end(i - 2);
      from = i + 1;
    }
  }
  end(bytes.length);
  return units;
}

/** Units behind four-byte start codes. */
export function writeAnnexB(units: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(units.reduce((n, unit) => n + 4 + unit.length, 0));
  let at = 0;
  for (const unit of units) {
    bytes[at + 3] = 1;
    bytes.set(unit, at + 4);
    at += 4 + unit.length;
  }
  return bytes;
}

/** Units behind four-byte lengths, as FLV and MP4 carry them (AVCC). */
export function writeLengthPrefixed(units: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(units.reduce((n, unit) => n + 4 + unit.length, 0));
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const unit of units) {
    view.setUint32(at, unit.length);
    bytes.set(unit, at + 4);
    at += 4 + unit.length;
  }
  return bytes;
}
