import type { MediaPacket } from '../../contract.ts';
import type { Millis } from '../../kit/core.ts';
import { Restamp } from '../../media/restamp.ts';
import { RTP_HEADER_BYTES, writeRtpHeader } from '../rtp/rtp.ts';
import { Transmission } from '../rtp/stats.ts';
import type { PacketLog } from './packet-log.ts';
import { RTX_HEADER_BYTES } from './rtx.ts';

const CLOCK_HZ = 90_000;
/** Packets of which the viewer's numbers are remembered; a power of two. */
const KEPT = 512;
/** RFC 8285 §4.2: one-byte elements, 4-bit id and 4-bit length − 1. */
const ONE_BYTE_PROFILE = 0xbede;
/** Shown as soon as it can be, and never held back longer than 500 ms; units of 10 ms, 12 bits each. */
const PLAYOUT_MOST = 50;
/** Larger payloads are dropped: with headers and tag they would not pass any network. */
export const MOST_PAYLOAD = 1460;

export interface VideoSenderOptions {
  /** For SSRCs and first numbers (RFC 3550 §5.1). */
  readonly random: (bytes: number) => Buffer;
  /** Unix ms when the monotonic clock was 0. */
  readonly unixAtZero: number;
  /** The line has payload types for retransmission. */
  readonly rtx: boolean;
  /** Ids of header extensions, where negotiated; 1 … 14. */
  readonly transportCcId?: number;
  readonly playoutDelayId?: number;
}

/** Original sequence number and payload of the retransmission being sealed: sealing copies at once. */
const scratch = new Uint8Array(RTX_HEADER_BYTES + MOST_PAYLOAD);

/**
 * The sending half of one picture line: own SSRC, one continuous line over changes of source, header extensions, and
 * retransmissions out of the log that all viewers of a track share.
 * ```
 * | RTP header 12 | 0xBEDE, 1 or 2 words | id, 1: transport-wide number 16 | id, 2: playout delay 24, of key pictures |
 * ```
 */
export class VideoSender {
  readonly ssrc: number;
  readonly rtxSsrc: number | undefined;
  readonly sent: Transmission;
  readonly #line: Restamp;
  readonly #transportCcId: number;
  readonly #playoutDelayId: number;
  #rtxSeq: number;
  #payloadType = 0;
  #rtxPayloadType: number | undefined;
  #log: PacketLog | undefined;
  /** Extended, of the first packet of the source served now. */
  #firstSeq = 0;
  /** By sequence number modulo their length: made with the first packet. */
  #seqs: Uint16Array | undefined;
  #positions: Int32Array | undefined;
  #timestamps: Uint32Array | undefined;
  /** Of the retransmission written last; borrowed until the next. */
  againPayload: Uint8Array = scratch;

  constructor(o: VideoSenderOptions) {
    const r = o.random(16);
    this.ssrc = r.readUInt32BE(0);
    this.rtxSsrc = o.rtx ? r.readUInt32BE(4) : undefined;
    // Below half the range: SRTP's rollover counter must not be in doubt at the start (RFC 3711 §3.3.1).
    this.#line = new Restamp({
      clockRate: CLOCK_HZ,
      seq: r.readUInt16BE(8) & 0x7fff,
      timestamp: r.readUInt32BE(10),
    });
    this.#rtxSeq = r.readUInt16BE(14) & 0x7fff;
    this.sent = new Transmission(CLOCK_HZ, o.unixAtZero);
    this.#transportCcId = o.transportCcId ?? 0;
    this.#playoutDelayId = o.playoutDelayId ?? 0;
  }

  /** A new source from the next packet on: how its payload types are called here, and where its packets are kept. */
  serve(payloadType: number, rtxPayloadType: number | undefined, log: PacketLog): void {
    this.#payloadType = payloadType;
    this.#rtxPayloadType = this.rtxSsrc === undefined ? undefined : rtxPayloadType;
    this.#log = log;
    this.#positions?.fill(-1);
    this.#line.restart();
  }

  /**
   * Takes in the next packet: from now on `seq` is its own here. False: drop it. A sequence number goes out once only,
   * or two payloads would share one key stream (RFC 3711 §9.1); a packet that is late for the beginning of its source
   * would have one of the source before.
   */
  take(p: MediaPacket, now: Millis): boolean {
    const line = this.#line;
    line.map(p, now);
    if (line.begins) this.#firstSeq = line.seq;
    else if (line.seq < this.#firstSeq) return false;
    return this.#keep(p, line.seq & 0xffff, line.timestamp, now);
  }

  /** Writes the header of the packet taken last into `out`; its length. `number`: transport-wide, where negotiated. */
  write(p: MediaPacket, out: Uint8Array, number: number, now: Millis): number {
    const { seq, timestamp } = this.#line;
    writeRtpHeader(out, this.#payloadType, p.marker, seq, timestamp, this.ssrc);
    this.sent.packet(timestamp, p.payload.length, now, p.pts);
    return this.#extensions(out, number, p.frame?.key === true);
  }

  /** The payload that went out as `seq` (16 bits), borrowed; undefined when it is gone. */
  find(seq: number): Uint8Array | undefined {
    const at = seq & (KEPT - 1);
    const position = this.#seqs?.[at] === seq ? this.#positions![at]! : -1;
    return position >= 0 && this.#log?.find(position) ? this.#log.payload : undefined;
  }

  /**
   * After `find` of the same: writes the header of its retransmission into `out`; its length. The payload to seal
   * is `againPayload`. Without retransmission streams it is the same packet again, bit by bit: under SRTP another one
   * with this number would break its secrecy (RFC 3711 §9.1), which is why such lines negotiate no header extensions.
   */
  again(seq: number, out: Uint8Array, number: number): number {
    const { payload, marker } = this.#log!;
    const timestamp = this.#timestamps![seq & (KEPT - 1)]!;
    if (this.#rtxPayloadType === undefined || this.rtxSsrc === undefined) {
      this.againPayload = payload;
      return writeRtpHeader(out, this.#payloadType, marker, seq, timestamp, this.ssrc);
    }
    writeRtpHeader(out, this.#rtxPayloadType, marker, this.#rtxSeq++, timestamp, this.rtxSsrc);
    scratch[0] = seq >> 8;
    scratch[1] = seq & 255;
    scratch.set(payload, RTX_HEADER_BYTES);
    this.againPayload = scratch.subarray(0, RTX_HEADER_BYTES + payload.length);
    return this.#extensions(out, number, false);
  }

  #keep(p: MediaPacket, seq: number, timestamp: number, now: Millis): boolean {
    if (this.#log === undefined || p.payload.length > MOST_PAYLOAD) return false;
    if (this.#seqs === undefined) {
      this.#seqs = new Uint16Array(KEPT);
      this.#positions = new Int32Array(KEPT).fill(-1);
      this.#timestamps = new Uint32Array(KEPT);
    }
    const at = seq & (KEPT - 1);
    if (this.#seqs[at] === seq && this.#positions![at]! >= 0) return false;
    this.#seqs[at] = seq;
    this.#positions![at] = this.#log.put(p, now);
    this.#timestamps![at] = timestamp % 0x100000000;
    return true;
  }

  #extensions(out: Uint8Array, number: number, key: boolean): number {
    const playout = key ? this.#playoutDelayId : 0;
    if (this.#transportCcId === 0 && playout === 0) return RTP_HEADER_BYTES;
    let at = RTP_HEADER_BYTES + 4;
    if (this.#transportCcId !== 0) {
      out[at++] = (this.#transportCcId << 4) | 1;
      out[at++] = number >> 8;
      out[at++] = number & 255;
    }
    if (playout !== 0) {
      out[at++] = (playout << 4) | 2;
      out[at++] = 0;
      out[at++] = PLAYOUT_MOST >> 8;
      out[at++] = PLAYOUT_MOST & 255;
    }
    while (at & 3) out[at++] = 0;
    out[0]! |= 0x10;
    out[RTP_HEADER_BYTES] = ONE_BYTE_PROFILE >> 8;
    out[RTP_HEADER_BYTES + 1] = ONE_BYTE_PROFILE & 255;
    out[RTP_HEADER_BYTES + 2] = 0;
    out[RTP_HEADER_BYTES + 3] = (at - RTP_HEADER_BYTES - 4) >> 2;
    return at;
  }
}
