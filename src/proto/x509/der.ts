/**
 * Writes ASN.1 DER (X.690): just what a certificate is made of.
 * ```
 * | tag | length: n < 128, or 0x80+k then k bytes | contents |
 * ```
 */
function der(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const body = Buffer.concat(parts);
  if (body.length < 128) return Buffer.concat([Buffer.from([tag, body.length]), body]);
  const bytes: number[] = [];
  for (let n = body.length; n > 0; n = Math.floor(n / 256)) bytes.unshift(n % 256);
  return Buffer.concat([Buffer.from([tag, 0x80 + bytes.length, ...bytes]), body]);
}

export const sequence = (...parts: readonly Uint8Array[]): Buffer => der(0x30, ...parts);
export const set = (...parts: readonly Uint8Array[]): Buffer => der(0x31, ...parts);
export const octetString = (...parts: readonly Uint8Array[]): Buffer => der(0x04, ...parts);
export const utf8String = (text: string): Buffer => der(0x0c, Buffer.from(text, 'utf8'));
export const boolean = (on: boolean): Buffer => der(0x01, Buffer.from([on ? 255 : 0]));

/** `bits` is how many bits of the last byte are unused. */
export const bitString = (bytes: Uint8Array, unusedBits = 0): Buffer =>
  der(0x03, Buffer.from([unusedBits]), bytes);

/** [n] constructed (`explicit`) or primitive (`implicit` over bytes). */
export const explicit = (n: number, ...parts: readonly Uint8Array[]): Buffer => der(0xa0 + n, ...parts);
export const implicit = (n: number, bytes: Uint8Array): Buffer => der(0x80 + n, bytes);

/** A non-negative integer from big-endian bytes, in the shortest form. */
export function unsigned(bytes: Uint8Array): Buffer {
  let start = 0;
  while (start < bytes.length - 1 && bytes[start] === 0) start++;
  const value = bytes.subarray(start);
  const first = value[0];
  if (first === undefined) return der(0x02, Buffer.from([0]));
  return first & 0x80 ? der(0x02, Buffer.from([0]), value) : der(0x02, value);
}

/** `1.2.840.10045.2.1` and the like. */
export function oid(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number);
  const bytes = [first * 40 + second];
  for (const arc of rest) {
    const groups = [arc % 128];
    for (let n = Math.floor(arc / 128); n > 0; n = Math.floor(n / 128)) groups.unshift((n % 128) | 0x80);
    bytes.push(...groups);
  }
  return der(0x06, Buffer.from(bytes));
}

/** RFC 5280 §4.1.2.5: UTCTime until 2049, GeneralizedTime from 2050; both in UTC with seconds. */
export function time(at: Date): Buffer {
  const digits = at.toISOString().replace(/[-:T]/g, '').slice(0, 14);
  return at.getUTCFullYear() < 2050
    ? der(0x17, Buffer.from(`${digits.slice(2)}Z`, 'latin1'))
    : der(0x18, Buffer.from(`${digits}Z`, 'latin1'));
}
