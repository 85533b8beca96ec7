/**
 * Cauchy Reed–Solomon over GF(256), polynomial x⁸+x⁴+x³+x²+1. Repair row j of sources i is Σ source[i] / (x_j + y_i)
 * with y_i = i below 64 and x_j = 64 + j below 192: no two alike, so every square part of the matrix can be inverted
 * and any k of all packets give the k sources.
 */
export const MAX_SOURCES = 64;
export const MAX_REPAIRS = 128;

const LOG = new Uint8Array(256);
const EXP = new Uint8Array(510);
for (let i = 0, x = 1; i < 255; i++) {
  EXP[i] = EXP[i + 255] = x;
  LOG[x] = i;
  x = (x << 1) ^ (x & 0x80 ? 0x11d : 0);
}
/** Products by 256 · a + b. */
const PRODUCT = new Uint8Array(65536);
for (let a = 1; a < 256; a++)
  for (let b = 1; b < 256; b++)
    PRODUCT[(a << 8) | b] = EXP[(LOG[a] as number) + (LOG[b] as number)] as number;

const log = (row: number, column: number): number => LOG[(MAX_SOURCES + row) ^ column] as number;

/** Of source `column` in repair `row`. */
export const coefficient = (row: number, column: number): number => EXP[255 - log(row, column)] as number;

/** out[i] += factor · from[i], for `length` bytes from the two offsets. */
export function addProduct(
  out: Uint8Array,
  outAt: number,
  from: Uint8Array,
  fromAt: number,
  length: number,
  factor: number,
): void {
  const row = factor << 8;
  for (let i = 0; i < length; i++)
    out[outAt + i] = (out[outAt + i] as number) ^ (PRODUCT[row | (from[fromAt + i] as number)] as number);
}

/**
 * Inverts the square matrix of the first `n` of `rows` and `columns` into `inverse`: source columns[i] is the sum of
 * inverse[i·n + j] · row rows[j]. The closed form of a Cauchy matrix, in logarithms:
 * b_ij = Π_k (x_j+y_k)(x_k+y_i) / ((x_j+y_i) Π_{k≠j} (x_j+x_k) Π_{k≠i} (y_i+y_k)).
 */
export function invert(rows: Uint8Array, columns: Uint8Array, n: number, inverse: Uint8Array): void {
  for (let i = 0; i < n; i++)
    for (let j = 0; j < n; j++) {
      const x = rows[j] as number;
      const y = columns[i] as number;
      let sum = 255 * 3 * MAX_SOURCES - log(x, y);
      for (let k = 0; k < n; k++) {
        sum += log(x, columns[k] as number) + log(rows[k] as number, y);
        if (k !== j) sum -= LOG[(x + MAX_SOURCES) ^ ((rows[k] as number) + MAX_SOURCES)] as number;
        if (k !== i) sum -= LOG[y ^ (columns[k] as number)] as number;
      }
      inverse[i * n + j] = EXP[sum % 255] as number;
    }
}
