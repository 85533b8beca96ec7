import {
  type CipherGCMTypes,
  createCipheriv,
  createDecipheriv,
  createSecretKey,
  type KeyObject,
} from 'node:crypto';
import { ReplayWindow } from '../rtp/srtp/replay.ts';
import { DTLS_1_2, RECORD_HEADER } from './wire.ts';

export interface DtlsRecord {
  readonly type: number;
  readonly epoch: number;
  readonly seq: number;
  /** Header and fragment; borrowed from the datagram. */
  readonly bytes: Buffer;
  readonly fragment: Buffer;
}

/** RFC 7983 §7: the first byte of DTLS on a shared port is 20..63. */
export const isDtls = (b: Uint8Array): boolean => b.length >= RECORD_HEADER && b[0]! >= 20 && b[0]! < 64;

/** RFC 6347 §4.1: the records of one datagram; stops at the first that is not well-formed (that much is junk). */
export function* readRecords(datagram: Buffer): Generator<DtlsRecord, 'junk' | undefined> {
  for (let at = 0; at < datagram.length; ) {
    if (at + RECORD_HEADER > datagram.length) return 'junk';
    const end = at + RECORD_HEADER + datagram.readUInt16BE(at + 11);
    // A ClientHello may say DTLS 1.0 in its record header (fe ff); the fragment tells the truth.
    if (end > datagram.length || datagram[at + 1] !== 0xfe) return 'junk';
    const bytes = datagram.subarray(at, end);
    at = end;
    yield {
      type: bytes[0]!,
      epoch: bytes.readUInt16BE(3),
      seq: bytes.readUIntBE(5, 6),
      bytes,
      fragment: bytes.subarray(RECORD_HEADER),
    };
  }
  return undefined;
}

export function plainRecord(type: number, seq: number, fragment: Uint8Array): Buffer {
  return Buffer.concat([recordHeader(type, 0, seq, fragment.length), fragment]);
}

function recordHeader(type: number, epoch: number, seq: number, length: number): Buffer {
  const out = Buffer.alloc(RECORD_HEADER);
  out[0] = type;
  out.writeUInt16BE(DTLS_1_2, 1);
  out.writeUInt16BE(epoch, 3);
  out.writeUIntBE(seq, 5, 6);
  out.writeUInt16BE(length, 11);
  return out;
}

const EXPLICIT_NONCE = 8;
const TAG = 16;
const GCM = { authTagLength: TAG };

/**
 * Epoch 1 of one direction: AES-GCM with a key of 128 or 256 bits, RFC 5288 §3.
 * ```
 * fragment = | explicit nonce 8: epoch and sequence | ciphertext | tag 16 |
 * AAD      = | epoch 2 | sequence 6 | type 1 | version 2 | plaintext length 2 |
 * ```
 */
export class RecordCipher {
  readonly #algorithm: CipherGCMTypes;
  readonly #key: KeyObject;
  readonly #salt: Buffer;
  readonly #window = new ReplayWindow(64);

  /** `salt`: the implicit 4 bytes of the nonce. */
  constructor(key: Buffer, salt: Buffer) {
    this.#algorithm = key.length === 32 ? 'aes-256-gcm' : 'aes-128-gcm';
    this.#key = createSecretKey(key);
    this.#salt = salt;
  }

  seal(type: number, seq: number, plain: Uint8Array): Buffer {
    const header = recordHeader(type, 1, seq, EXPLICIT_NONCE + plain.length + TAG);
    const nonce = header.subarray(3, 3 + EXPLICIT_NONCE);
    const cipher = createCipheriv(this.#algorithm, this.#key, Buffer.concat([this.#salt, nonce]), GCM);
    cipher.setAAD(additionalData(header, plain.length));
    const sealed = cipher.update(plain);
    cipher.final();
    return Buffer.concat([header, nonce, sealed, cipher.getAuthTag()]);
  }

  /** The plaintext; undefined for a replay, a forgery, or what is too short to be either. */
  open(record: DtlsRecord): Buffer | undefined {
    const body = record.fragment;
    const length = body.length - EXPLICIT_NONCE - TAG;
    if (length < 0 || this.#window.check(record.seq) !== 'new') return undefined;
    const nonce = Buffer.concat([this.#salt, body.subarray(0, EXPLICIT_NONCE)]);
    const decipher = createDecipheriv(this.#algorithm, this.#key, nonce, GCM);
    decipher.setAAD(additionalData(record.bytes, length));
    decipher.setAuthTag(body.subarray(EXPLICIT_NONCE + length));
    const plain = decipher.update(body.subarray(EXPLICIT_NONCE, EXPLICIT_NONCE + length));
    try {
      decipher.final();
    } catch {
      return undefined;
    }
    this.#window.accept(record.seq);
    return plain;
  }
}

function additionalData(header: Buffer, plainLength: number): Buffer {
  const out = Buffer.alloc(RECORD_HEADER);
  header.copy(out, 0, 3, 11);
  out[8] = header[0]!;
  header.copy(out, 9, 1, 3);
  out.writeUInt16BE(plainLength, 11);
  return out;
}
