import { expect, it } from 'vitest';
import { addProduct, coefficient, invert, MAX_REPAIRS, MAX_SOURCES } from './erasure.ts';

/** Product in GF(256) by the schoolbook: shift and add, reduced by x⁸+x⁴+x³+x²+1. */
function times(a: number, b: number): number {
  let product = 0;
  for (let bit = 7; bit >= 0; bit--) {
    product = (product << 1) ^ (product & 0x80 ? 0x11d : 0);
    if ((b >> bit) & 1) product ^= a;
  }
  return product;
}
const product = (a: number, b: number): number => {
  const out = new Uint8Array(1);
  addProduct(out, 0, Uint8Array.of(b), 0, 1, a);
  return out[0]!;
};

it('multiplies as a field does: all products against the schoolbook', () => {
  for (let a = 0; a < 256; a++) for (let b = 0; b < 256; b++) expect(product(a, b)).toBe(times(a, b));
});

it('every coefficient is the inverse of x + y, none is 0', () => {
  for (let row = 0; row < MAX_REPAIRS; row++)
    for (let column = 0; column < MAX_SOURCES; column++)
      expect(times(coefficient(row, column), (MAX_SOURCES + row) ^ column)).toBe(1);
});

/** All ways to take `n` of 0 … count − 1. */
function* choices(count: number, n: number, from = 0): Generator<number[]> {
  if (n === 0) return yield [];
  for (let i = from; i <= count - n; i++) for (const rest of choices(count, n - 1, i + 1)) yield [i, ...rest];
}
const codeOf = (source: number): number => (source * 89 + 7) & 255;

/** Sources `lost` computed from the others and the rows `rows`. */
function recover(k: number, lost: readonly number[], rows: readonly number[]): number[] {
  const n = lost.length;
  const sums = rows.slice(0, n).map(row => {
    let sum = 0;
    for (let i = 0; i < k; i++) sum ^= times(coefficient(row, i), codeOf(i)); // as the sender made it
    for (let i = 0; i < k; i++) if (!lost.includes(i)) sum ^= times(coefficient(row, i), codeOf(i));
    return sum;
  });
  const inverse = new Uint8Array(n * n);
  invert(Uint8Array.from(rows), Uint8Array.from(lost), n, inverse);
  return lost.map((_, i) => sums.reduce((sum, s, j) => sum ^ times(inverse[i * n + j]!, s), 0));
}

it('any losses come back from any rows, as many: everything up to 6 sources and 4 rows', () => {
  for (let k = 1; k <= 6; k++)
    for (let n = 1; n <= Math.min(4, k); n++)
      for (const lost of choices(k, n))
        for (const rows of choices(4, n)) expect(recover(k, lost, rows)).toEqual(lost.map(codeOf));
});

it('and at the limits', () => {
  const all = Array.from({ length: MAX_SOURCES }, (_, i) => i);
  const lastRows = Array.from({ length: MAX_SOURCES }, (_, i) => MAX_REPAIRS - 1 - i);
  expect(recover(MAX_SOURCES, all, lastRows)).toEqual(all.map(codeOf));
  const half = all.filter(i => i % 2 === 1);
  const spread = half.map(i => (i * 37) % MAX_REPAIRS);
  expect(recover(MAX_SOURCES, half, spread)).toEqual(half.map(codeOf));
});
