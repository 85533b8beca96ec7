/**
 * AMF 0, the value encoding of RTMP commands and metadata (Adobe "AMF 0 File Format", 2007, §2).
 * ```
 *  00 number: 8 bytes IEEE double     05 null      08 ECMA array: 4 count, then as object
 *  01 boolean: 1 byte                 06 undefined 0a strict array: 4 count, values
 *  02 string: 2 length, UTF-8         03 object: (2 length, key, value)* 00 00 09
 *  0b date: 8 double, 2 zone          0c long string: 4 length    0f xml    10 typed object
 * ```
 */
export type Amf = null | undefined | boolean | number | string | readonly Amf[] | AmfObject;
export type AmfObject = { readonly [key: string]: Amf };

/** Written with marker 08: what metadata is by custom. Reading gives a plain object. */
export class EcmaArray {
  readonly entries: AmfObject;
  constructor(entries: AmfObject) {
    this.entries = entries;
  }
}

/** What one message may make us build: a stranger chooses it. */
const MAX_DEPTH = 8;
const MAX_VALUES = 1024;

const text = new TextDecoder('utf-8');

class Junk extends Error {}

class Reader {
  at = 0;
  #values = 0;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  value(depth: number): Amf {
    if (depth > MAX_DEPTH) throw new Junk('nested too deep');
    if (++this.#values > MAX_VALUES) throw new Junk('too many values');
    const marker = this.#u8();
    switch (marker) {
      case 0x00:
        return this.#number();
      case 0x01:
        return this.#u8() !== 0;
      case 0x02:
        return this.#string(this.#u16());
      case 0x03:
        return this.#object(depth);
      case 0x05:
        return null;
      case 0x06:
      case 0x0d: // "unsupported": stands for a value its writer could not write
        return undefined;
      case 0x08:
        this.#u32(); // the count is only a hint; the end marker decides
        return this.#object(depth);
      case 0x0a:
        return this.#array(depth);
      case 0x0b: {
        const date = this.#number();
        this.#u16(); // time zone: reserved, zero
        return date;
      }
      case 0x0c:
      case 0x0f:
        return this.#string(this.#u32());
      case 0x10:
        this.#string(this.#u16()); // class name
        return this.#object(depth);
      default:
        throw new Junk(`marker ${marker}`);
    }
  }

  #object(depth: number): AmfObject {
    const object: Record<string, Amf> = Object.create(null);
    for (;;) {
      const key = this.#string(this.#u16());
      if (key === '' && this.#peek() === 0x09) {
        this.at++;
        return object;
      }
      object[key] = this.value(depth + 1);
    }
  }

  #array(depth: number): Amf[] {
    const count = this.#u32();
    if (count > MAX_VALUES) throw new Junk('too many values');
    const array: Amf[] = [];
    for (let i = 0; i < count; i++) array.push(this.value(depth + 1));
    return array;
  }

  #need(n: number): number {
    const from = this.at;
    if (from + n > this.#bytes.length) throw new Junk('cut short');
    this.at += n;
    return from;
  }
  #peek(): number | undefined {
    return this.#bytes[this.at];
  }
  #u8(): number {
    return this.#view.getUint8(this.#need(1));
  }
  #u16(): number {
    return this.#view.getUint16(this.#need(2));
  }
  #u32(): number {
    return this.#view.getUint32(this.#need(4));
  }
  #number(): number {
    return this.#view.getFloat64(this.#need(8));
  }
  #string(length: number): string {
    const from = this.#need(length);
    return text.decode(this.#bytes.subarray(from, from + length));
  }
}

/** Every value of a message body in order, or a slug saying why the body is junk. Never throws. */
export function readAmf0(bytes: Uint8Array): { values: Amf[] } | { junk: string } {
  const reader = new Reader(bytes);
  const values: Amf[] = [];
  try {
    while (reader.at < bytes.length) values.push(reader.value(0));
    return { values };
  } catch (error) {
    if (error instanceof Junk) return { junk: error.message };
    throw error;
  }
}

/** The bytes of a message body. */
export function writeAmf0(...values: readonly (Amf | EcmaArray)[]): Buffer {
  const parts: Buffer[] = [];
  for (const value of values) write(value, parts);
  return Buffer.concat(parts);
}

function write(value: Amf | EcmaArray, parts: Buffer[]): void {
  if (value === null) parts.push(Buffer.from([0x05]));
  else if (value === undefined) parts.push(Buffer.from([0x06]));
  else if (typeof value === 'boolean') parts.push(Buffer.from([0x01, value ? 1 : 0]));
  else if (typeof value === 'number') {
    const b = Buffer.alloc(9);
    b.writeDoubleBE(value, 1);
    parts.push(b);
  } else if (typeof value === 'string') writeString(value, parts);
  else if (value instanceof EcmaArray) {
    const head = Buffer.alloc(5, 0x08);
    head.writeUInt32BE(Object.keys(value.entries).length, 1);
    parts.push(head);
    writeEntries(value.entries, parts);
  } else if (Array.isArray(value)) {
    const head = Buffer.alloc(5, 0x0a);
    head.writeUInt32BE(value.length, 1);
    parts.push(head);
    for (const item of value) write(item, parts);
  } else {
    parts.push(Buffer.from([0x03]));
    writeEntries(value as AmfObject, parts);
  }
}

function writeString(value: string, parts: Buffer[]): void {
  const utf8 = Buffer.from(value, 'utf8');
  const long = utf8.length > 0xffff;
  const head = Buffer.alloc(long ? 5 : 3);
  head[0] = long ? 0x0c : 0x02;
  if (long) head.writeUInt32BE(utf8.length, 1);
  else head.writeUInt16BE(utf8.length, 1);
  parts.push(head, utf8);
}

function writeEntries(entries: AmfObject, parts: Buffer[]): void {
  for (const [key, value] of Object.entries(entries)) {
    const utf8 = Buffer.from(key, 'utf8');
    const head = Buffer.alloc(2);
    head.writeUInt16BE(utf8.length);
    parts.push(head, utf8);
    write(value, parts);
  }
  parts.push(Buffer.from([0, 0, 0x09]));
}

/** The object at `value`, or undefined: for reading command arguments without casts. */
export const objectOf = (value: Amf): AmfObject | undefined =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as AmfObject) : undefined;
/** The string at `value`, or ''. */
export const stringOf = (value: Amf): string => (typeof value === 'string' ? value : '');
/** The number at `value`, or 0. */
export const numberOf = (value: Amf): number =>
  typeof value === 'number' && Number.isFinite(value) ? value : 0;
