import { createHmac } from 'node:crypto';
import { crc32 } from './crc32.ts';

const attribute = (type: number, value: Uint8Array): Buffer => {
  const out = Buffer.alloc(4 + ((value.length + 3) & ~3));
  out.writeUInt16BE(type, 0);
  out.writeUInt16BE(value.length, 2);
  out.set(value, 4);
  return out;
};

export interface CheckOptions {
  readonly username: string;
  readonly password: string;
  readonly useCandidate?: boolean;
  readonly type?: number;
  readonly more?: readonly { readonly type: number; readonly value: Uint8Array }[];
}

/** A connectivity check as a controlling full agent sends it. */
export function makeCheck({ username, password, useCandidate, type = 1, more = [] }: CheckOptions): Buffer {
  const header = Buffer.from('000000002112a442000102030405060708090a0b', 'hex');
  header.writeUInt16BE(type, 0);
  const body = Buffer.concat([
    header,
    attribute(0x0006, Buffer.from(username)),
    attribute(0x802a, Buffer.alloc(8, 1)),
    attribute(0x0024, Buffer.alloc(4, 1)),
    ...(useCandidate ? [attribute(0x0025, Buffer.alloc(0))] : []),
    ...more.map(m => attribute(m.type, m.value)),
  ]);
  body.writeUInt16BE(body.length + 4, 2);
  const integrity = attribute(0x0008, createHmac('sha1', password).update(body).digest());
  const out = Buffer.concat([body, integrity, Buffer.from('80280004', 'hex'), Buffer.alloc(4)]);
  out.writeUInt16BE(out.length - 20, 2);
  out.writeUInt32BE((crc32(out.subarray(0, -8)) ^ 0x5354554e) >>> 0, out.length - 4);
  return out;
}
