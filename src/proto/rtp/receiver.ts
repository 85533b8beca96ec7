import type { MediaPacket } from '../../contract.ts';
import type { Millis } from '../../kit/core.ts';
import { Extender } from '../../kit/sequence.ts';
import { Restamp } from '../../media/restamp.ts';
import { RtpView } from './rtp.ts';
import { Reception } from './stats.ts';

/** RFC 3550 A.1: a larger step forward is a restart of the peer, once the next packet confirms it. */
const MAX_DROPOUT = 3000;
/** Older packets than this are dropped; also the window in which duplicates are seen. A multiple of 32. */
const WINDOW = 1024;
/** The first sequence number handed on; above zero so that a packet late for the start is not negative. */
const FIRST_SEQ = 65_536;

/**
 * The receiving half of an RTP session: one stream at a time, whatever SSRC carries it, handed on as one
 * continuous line of `packet`s. Duplicates, stragglers and unknown payload types end here, with a reason.
 */
export class RtpReceiver {
  /** Filled by `read`; reused. */
  readonly packet: MediaPacket = { seq: 0, pts: 0, marker: false, payload: new Uint8Array(0) };
  /** Of the packet read last. */
  payloadType = -1;
  /** True when the packet read last is of an `aside` payload type: its `pts` is the wire timestamp, not extended. */
  aside = false;
  readonly #view = new RtpView();
  #clockRates: ReadonlyMap<number, number> = new Map();
  #asides: ReadonlySet<number> = new Set();
  #ssrc = -1;
  #clockRate = 8000;
  #reception = new Reception(8000);
  readonly #timestamps = new Extender(32);
  readonly #seen = new Uint32Array(WINDOW / 32);
  /** Extended; −1 before a stream's first packet. */
  #highest = -1;
  #skipped = 0;
  #lastTimestamp = 0;
  /** Of the packet handed on last, as on the wire. */
  #lastSeq = 0;
  readonly #line = new Restamp({ clockRate: 8000, seq: FIRST_SEQ, timestamp: 0 });
  /** A stream that may replace this one: SSRC, and the sequence number that would prove it. */
  #otherSsrc = -1;
  #otherSeq = -1;
  /** Sums over streams that have ended. */
  #before = { packets: 0, bytes: 0, lost: 0 };

  /** Payload types of media with their clock rates, and those that ride along (telephone-event). */
  expect(clockRates: ReadonlyMap<number, number>, asides: ReadonlySet<number> = new Set()): void {
    this.#clockRates = clockRates;
    this.#asides = asides;
  }

  /** Undefined when `packet` was filled; else why these bytes are dropped. Borrows `bytes` through `packet.payload`. */
  read(bytes: Uint8Array, now: Millis): string | undefined {
    const v = this.#view;
    const junk = v.read(bytes);
    if (junk !== undefined) return junk;
    const clockRate = this.#clockRates.get(v.payloadType);
    this.aside = clockRate === undefined && this.#asides.has(v.payloadType);
    const unknown = clockRate === undefined && !this.aside;
    if (unknown && v.ssrc !== this.#ssrc) return 'payload-type';
    const seq = this.#sequence(v, clockRate ?? this.#clockRate);
    if (typeof seq === 'string') return seq;
    this.#reception.packet(seq, v.payloadEnd - v.payloadStart);
    if (clockRate === undefined) this.#skipped++; // an event, comfort noise: no loss to those who listen
    if (unknown) return 'payload-type';
    this.payloadType = v.payloadType;
    const p = this.packet;
    p.payload = bytes.subarray(v.payloadStart, v.payloadEnd);
    p.marker = v.marker;
    if (this.aside) {
      p.pts = v.timestamp;
      return undefined;
    }
    const timestamp = this.#timestamps.extend(v.timestamp);
    this.#reception.arrival(timestamp, now);
    p.seq = seq - this.#skipped;
    p.pts = timestamp;
    this.#line.map(p, now);
    p.seq = this.#line.seq;
    p.pts = this.#line.timestamp;
    this.#lastTimestamp = v.timestamp;
    this.#lastSeq = v.seq;
    return undefined;
  }

  /** SSRC heard now, −1 before the first packet. */
  get ssrc(): number {
    return this.#ssrc;
  }

  /** Statistics of the stream heard now, for reports. */
  get reception(): Reception {
    return this.#reception;
  }

  /** Sums over all streams so far. */
  get totals(): { packets: number; bytes: number; lost: number } {
    const { packets, bytes, lost } = this.#reception;
    return {
      packets: this.#before.packets + packets,
      bytes: this.#before.bytes + bytes,
      lost: this.#before.lost + Math.max(0, lost),
    };
  }

  /** `pts` of a wire timestamp of this stream (a sender report's). */
  ptsOf(timestamp: number): number {
    return this.packet.pts + ((timestamp - this.#lastTimestamp) | 0);
  }

  /** The number on the wire of a packet of this stream that would be handed on as `seq`: to ask for it again. */
  wireSeq(seq: number): number {
    return (this.#lastSeq + seq - this.packet.seq) & 0xffff;
  }

  /** The extended sequence number, or why the packet is not part of the stream. */
  #sequence(v: RtpView, clockRate: number): number | string {
    const other = v.ssrc !== this.#ssrc;
    const step = (((v.seq - this.#highest) & 0xffff) ^ 0x8000) - 0x8000; // −32768 … 32767
    if (this.#highest >= 0 && (other || step > MAX_DROPOUT || step <= -WINDOW)) {
      if (!this.#proved(v)) return other ? 'ssrc' : 'sequence-jump';
      this.#begin(v.ssrc, clockRate);
    } else {
      this.#otherSsrc = -1;
      if (other || clockRate !== this.#clockRate) this.#begin(v.ssrc, clockRate);
    }
    const seq = this.#highest < 0 ? FIRST_SEQ + v.seq : this.#highest + step;
    return this.#once(seq) ? seq : 'duplicate';
  }

  /** RFC 3550 A.1, shortened: a new stream is believed at its second packet in order, the old one not speaking between. */
  #proved(v: RtpView): boolean {
    const proved = v.ssrc === this.#otherSsrc && v.seq === this.#otherSeq;
    this.#otherSsrc = proved ? -1 : v.ssrc;
    this.#otherSeq = (v.seq + 1) & 0xffff;
    return proved;
  }

  #begin(ssrc: number, clockRate: number): void {
    this.#before = this.totals;
    this.#ssrc = ssrc;
    this.#clockRate = clockRate;
    this.#reception = new Reception(clockRate);
    this.#timestamps.reset();
    this.#seen.fill(0);
    this.#highest = -1;
    this.#skipped = 0;
    this.#line.restart(clockRate);
  }

  /** False when `seq` (within the window) was here before. */
  #once(seq: number): boolean {
    if (this.#highest < 0) this.#highest = seq - 1;
    for (let s = Math.max(this.#highest + 1, seq - WINDOW + 1); s <= seq; s++) this.#mark(s, false);
    if (seq > this.#highest) this.#highest = seq;
    else if ((this.#seen[(seq % WINDOW) >> 5] as number) & (1 << (seq & 31))) return false;
    this.#mark(seq, true);
    return true;
  }

  #mark(seq: number, on: boolean): void {
    const at = (seq % WINDOW) >> 5;
    const bit = 1 << (seq & 31);
    this.#seen[at] = on ? (this.#seen[at] as number) | bit : (this.#seen[at] as number) & ~bit;
  }
}
