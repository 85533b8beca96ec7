import { HANDSHAKE_HEADER } from './wire.ts';

export interface HandshakeMessage {
  readonly type: number;
  readonly seq: number;
  /** Of the records it came in. */
  readonly epoch: number;
  readonly body: Buffer;
}

export interface Fragment {
  readonly type: number;
  readonly seq: number;
  readonly offset: number;
  /** Of the whole message. */
  readonly length: number;
  readonly data: Buffer;
}

/** No message comes near: a post-quantum ClientHello has 1.7 KB, an RSA certificate 1 KB, a chain of them 5 KB. */
const MAX_MESSAGE = 8192;
/** A flight has five messages at most. */
const MAX_AHEAD = 5;

/** The fragments in one handshake record; stops at the first that is not well-formed. RFC 6347 §4.2.2. */
export function* readFragments(record: Buffer): Generator<Fragment, 'junk' | undefined> {
  for (let at = 0; at < record.length; ) {
    if (at + HANDSHAKE_HEADER > record.length) return 'junk';
    const length = record.readUIntBE(at + 1, 3);
    const offset = record.readUIntBE(at + 6, 3);
    const fragmentLength = record.readUIntBE(at + 9, 3);
    const start = at + HANDSHAKE_HEADER;
    if (start + fragmentLength > record.length || offset + fragmentLength > length) return 'junk';
    yield {
      type: record[at]!,
      seq: record.readUInt16BE(at + 4),
      offset,
      length,
      data: record.subarray(start, start + fragmentLength),
    };
    at = start + fragmentLength;
  }
  return undefined;
}

interface Slot {
  readonly type: number;
  readonly epoch: number;
  readonly body: Buffer;
  /** 1 where a byte has come. Byte by byte, so that no mixture of overlaps can fake completeness. */
  readonly have: Uint8Array;
  missing: number;
}

/** Puts handshake messages together again, in order, each once. */
export class Reassembly {
  /** Sequence number of the message waited for. */
  #next: number;
  readonly #slots = new Map<number, Slot>();

  constructor(first = 0) {
    this.#next = first;
  }

  /** Takes one fragment in; the reason when it is dropped. Bytes that came before are kept, not overwritten. */
  add(f: Fragment, epoch: number): 'past' | 'ahead' | 'too-long' | 'mismatch' | undefined {
    if (f.seq < this.#next) return 'past';
    if (f.seq >= this.#next + MAX_AHEAD) return 'ahead';
    if (f.length > MAX_MESSAGE) return 'too-long';
    let slot = this.#slots.get(f.seq);
    if (slot === undefined) {
      slot = {
        type: f.type,
        epoch,
        body: Buffer.alloc(f.length),
        have: new Uint8Array(f.length),
        missing: f.length,
      };
      this.#slots.set(f.seq, slot);
    }
    if (slot.type !== f.type || slot.body.length !== f.length || slot.epoch !== epoch) return 'mismatch';
    for (let i = 0, at = f.offset; i < f.data.length; i++, at++) {
      if (slot.have[at]) continue;
      slot.have[at] = 1;
      slot.body[at] = f.data[i]!;
      slot.missing--;
    }
    return undefined;
  }

  /** The next message when it is complete. */
  take(): HandshakeMessage | undefined {
    const seq = this.#next;
    const slot = this.#slots.get(seq);
    if (slot === undefined || slot.missing > 0) return undefined;
    this.#slots.delete(seq);
    this.#next++;
    return { type: slot.type, seq, epoch: slot.epoch, body: slot.body };
  }
}
