import type { MediaPacket } from '../../contract.ts';
import { packetCipher } from '../rtp/srtp/cipher.ts';
import type { PacketCipher } from '../rtp/srtp/packet-cipher.ts';
import type { SrtpKeys } from '../rtp/srtp/profile.ts';
import { ReplayWindow } from '../rtp/srtp/replay.ts';
import { MAX_HEADER_BYTES, writeHeader } from './header.ts';
import { writeTrailer } from './trailer.ts';

/** Packets a flow remembers, on both sides: what is older is not sent, or not taken, twice. */
export const FLOW_WINDOW = 1024;
/** The RTP sequence number that stands for a flow's first packet: room for packets that overtake it. */
export const FIRST_SEQ = 0x4000;
/** The RTP timestamp that stands for a flow's first packet. */
export const FIRST_TIMESTAMP = 0x80000000;

/**
 * What the other side must know to read a flow, told on the control stream before its first packet leaves: RTP
 * sequence FIRST_SEQ is `seq`, RTP timestamp FIRST_TIMESTAMP is `pts`. A flow never wraps: the track goes on in
 * another before it would. So the rollover counter is always 0 (RFC 3711 §3.3.1), and no loss, however long, can make
 * the receiver miss a wrap.
 */
export interface FlowStart {
  readonly ssrc: number;
  readonly seq: number;
  readonly pts: number;
}

export type SendJunk = 'duplicate' | 'oversize';

/** Datagrams are at most this long, bytes: a 1500-byte network fragments the largest, but nothing here grows. */
export const MAX_DATAGRAM = 2048;
const MAX_PAYLOAD = MAX_DATAGRAM - MAX_HEADER_BYTES - 32;

/** Seals the media of one direction of a session. SSRCs are counted, never used twice under one key. */
export class MediaSender {
  readonly #cipher: PacketCipher;
  readonly #connection: Uint8Array;
  #lastSsrc = 0;
  #pathSequence = 0;

  /** `connection`: the id the receiver chose. */
  constructor(keys: SrtpKeys, connection: Uint8Array) {
    this.#cipher = packetCipher(keys, 'rtp');
    this.#connection = connection;
  }

  /** `announce` is called from inside `seal`, before the packet it announces is written. */
  flow(payloadType: number, announce: (start: FlowStart) => void): FlowSender {
    const next = (seq: number, pts: number): FlowStart => {
      const start = { ssrc: ++this.#lastSsrc, seq, pts };
      announce(start);
      return start;
    };
    return new FlowSender(this.#cipher, payloadType, next);
  }

  /** Adds the hop trailer behind a sealed packet of `length` bytes; returns the length of the datagram. */
  trailer(out: Uint8Array, length: number, nowMs: number): number {
    this.#pathSequence = (this.#pathSequence + 1) & 0xffff;
    return writeTrailer(out, length, this.#connection, 0, this.#pathSequence, nowMs);
  }
}

/** One track on its way to the other side: a chain stage. */
export class FlowSender {
  readonly #cipher: PacketCipher;
  readonly #payloadType: number;
  readonly #next: (seq: number, pts: number) => FlowStart;
  #start: FlowStart | undefined;
  #sent = new ReplayWindow(FLOW_WINDOW);

  constructor(cipher: PacketCipher, payloadType: number, next: (seq: number, pts: number) => FlowStart) {
    this.#cipher = cipher;
    this.#payloadType = payloadType;
    this.#next = next;
  }

  /** The next packet begins a new flow: what is still under way of the old one is told apart (a new format). */
  renew(): void {
    this.#start = undefined;
  }

  /** Writes the sealed packet, without trailer, into `out` (MAX_DATAGRAM long); returns its length or why not. */
  seal(p: MediaPacket, out: Uint8Array): number | SendJunk {
    if (p.payload.length > MAX_PAYLOAD) return 'oversize';
    const start = this.#startFor(p);
    const seq = p.seq - start.seq + FIRST_SEQ;
    // Two packets under one nonce break GCM: a number once used is never sealed again, whatever it carries.
    if (this.#sent.check(seq) !== 'new') return 'duplicate';
    this.#sent.accept(seq);
    const timestamp = p.pts - start.pts + FIRST_TIMESTAMP;
    const headerBytes = writeHeader(out, p, this.#payloadType, seq, timestamp, start.ssrc);
    return this.#cipher.seal(out, headerBytes, p.payload, start.ssrc, 0, seq);
  }

  /** Whatever this flow cannot number, and what is older than the window can tell, begins a new one. */
  #startFor(p: MediaPacket): FlowStart {
    const start = this.#start;
    if (start !== undefined) {
      const seq = p.seq - start.seq + FIRST_SEQ;
      const timestamp = p.pts - start.pts + FIRST_TIMESTAMP;
      const tells = seq >= 0 && seq <= 0xffff && timestamp >= 0 && timestamp <= 0xffffffff;
      if (tells && seq > this.#sent.highest - FLOW_WINDOW) return start;
    }
    this.#sent = new ReplayWindow(FLOW_WINDOW);
    this.#start = this.#next(p.seq, p.pts);
    return this.#start;
  }
}
