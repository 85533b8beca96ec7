/** Sets of slots, one bit each; a set bit says that what was sent there was lost. All of one replay have the same length. */
export type Bits = Uint32Array;

export const bitsFor = (slots: number): Bits => new Uint32Array((slots + 31) >>> 5);

export function setBit(bits: Bits, at: number): void {
  bits[at >>> 5]! |= 1 << (at & 31);
}

/** Word `word` of `bits` moved `by` slots towards the beginning: its bit t is bit t + `by` of `bits`. 0 beyond the end. */
export function shiftedWord(bits: Bits, word: number, by: number): number {
  const from = word + (by >>> 5);
  const low = bits[from] ?? 0;
  const rest = by & 31;
  return rest === 0 ? low : (low >>> rest) | ((bits[from + 1] ?? 0) << (32 - rest));
}

/** Leaves in `bits` only those whose slot `by` later is in `other` too. */
export function keepIfLater(bits: Bits, other: Bits, by: number): void {
  for (let i = 0; i < bits.length; i++) bits[i]! &= shiftedWord(other, i, by);
}

/** How many of the slots `from` … `to` (not included) are in the set. */
export function countBits(bits: Bits, from: number, to: number): number {
  let n = 0;
  for (let i = from >>> 5; i << 5 < to; i++) {
    let w = bits[i]!;
    if (i << 5 < from) w &= -1 << (from & 31);
    if ((i + 1) << 5 > to) w &= ~(-1 << (to & 31));
    w -= (w >>> 1) & 0x55555555;
    w = (w & 0x33333333) + ((w >>> 2) & 0x33333333);
    n += (((w + (w >>> 4)) & 0x0f0f0f0f) * 0x01010101) >>> 24;
  }
  return n;
}
