/**
 * G.711 by table. Both laws are piecewise linear: sign, 3 bits of segment, 4 bits of step.
 *
 *   7   6 5 4   3 2 1 0
 * +---+-------+---------+   µ-law: all bits inverted on the wire
 * | s |segment|  step   |   A-law: even bits inverted (XOR 0x55); s = 1 is positive
 * +---+-------+---------+
 */
export type Law = 'PCMU' | 'PCMA';

/** ITU-T G.711 table 2: 14-bit magnitudes 33·2^segment − 33 apart, here scaled to 16 bits. */
function fromMulaw(code: number): number {
  const bits = ~code & 0xff;
  const segment = (bits >> 4) & 7;
  const magnitude = ((((bits & 15) << 1) + 33) << segment) - 33;
  return (bits & 0x80 ? -magnitude : magnitude) * 4;
}

/** ITU-T G.711 table 1: 13-bit magnitudes, here scaled to 16 bits; segments 0 and 1 share a step. */
function fromAlaw(code: number): number {
  const bits = code ^ 0x55;
  const segment = (bits >> 4) & 7;
  const step = ((bits & 15) << 1) + 1;
  const magnitude = segment === 0 ? step : (step + 32) << (segment - 1);
  return (bits & 0x80 ? magnitude : -magnitude) * 8;
}

/** Linear 16-bit value of each code. */
export const LINEAR: Readonly<Record<Law, Int16Array>> = {
  PCMU: Int16Array.from({ length: 256 }, (_, code) => fromMulaw(code)),
  PCMA: Int16Array.from({ length: 256 }, (_, code) => fromAlaw(code)),
};

/** RFC 6464 §3: 0 dBov is a square wave of the greatest magnitude the law can say. */
const overload = (law: Law): number => LINEAR[law].reduce((most, v) => Math.max(most, Math.abs(v)), 0);

const powers = (law: Law): Float64Array => {
  const full = overload(law) ** 2;
  return Float64Array.from(LINEAR[law], v => (v * v) / full);
};

/** Power of each code against the overload point, so that a level needs no decoding. */
export const POWER: Readonly<Record<Law, Float64Array>> = { PCMU: powers('PCMU'), PCMA: powers('PCMA') };

/** Code of each linear value, at index (value + 32768) >> 2 (µ-law resolves 14 bits, A-law 13). */
function codes(law: Law): Uint8Array {
  const linear = LINEAR[law];
  const byValue = Array.from({ length: 256 }, (_, code) => code).sort((a, b) => linear[a]! - linear[b]!);
  const table = new Uint8Array(16384);
  let at = 0;
  for (let i = 0; i < table.length; i++) {
    const value = (i << 2) - 32768;
    // The decision value between two neighbours is their middle; a tie goes to the greater magnitude (G.711 note 2).
    while (at < 255 && beyond(value, linear[byValue[at]!]!, linear[byValue[at + 1]!]!)) at++;
    table[i] = byValue[at]!;
  }
  return table;
}

const beyond = (value: number, low: number, high: number): boolean =>
  value >= 0 ? 2 * value >= low + high : 2 * value > low + high;

export const CODE: Readonly<Record<Law, Uint8Array>> = { PCMU: codes('PCMU'), PCMA: codes('PCMA') };
