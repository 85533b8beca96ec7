import type { MediaPacket } from '../../contract.ts';
import type { Millis } from '../../kit/core.ts';
import { Restamp } from '../../media/restamp.ts';
import { RTP_HEADER_BYTES, writeRtpHeader } from './rtp.ts';
import { Transmission } from './stats.ts';

/** The sending half of an RTP session: one SSRC, one continuous line, whatever is played into it. */
export class RtpSender {
  #ssrc: number;
  readonly sent: Transmission;
  #payloadType = 0;
  readonly #line: Restamp;

  /**
   * `random`: for SSRC and first numbers (RFC 3550 §5.1). `unixAtZero`: Unix ms when the monotonic clock was 0.
   * `successor`: the receiver had another sender of ours before, which ended without a word. Receivers that were sent a
   * handful of packets by it may go by its numbers whatever the SSRC (baresip 1.0's jitter buffer) and drop all that
   * look older for good; so the first number of a successor is ahead of that of any other sender.
   */
  constructor(random: (bytes: number) => Buffer, unixAtZero: number, successor = false) {
    const r = random(10);
    this.#ssrc = r.readUInt32BE(0);
    this.#line = new Restamp({
      clockRate: 8000,
      seq: (r.readUInt16BE(4) & 0x1fff) + (successor ? 0x4000 : 0), // below 2^15: RFC 3711 §3.3.1
      timestamp: r.readUInt32BE(6),
    });
    this.sent = new Transmission(8000, unixAtZero);
  }

  get ssrc(): number {
    return this.#ssrc;
  }

  /** Goes on under another SSRC. `random`: 4 bytes. */
  renumber(random: Buffer): void {
    this.#ssrc = random.readUInt32BE(0);
  }

  /** From the next packet on. */
  format(payloadType: number, clockRate: number): void {
    this.#payloadType = payloadType;
    this.sent.clockRate = clockRate;
    this.#line.restart(clockRate);
  }

  /** The next packet comes from another source, with counters of its own. */
  restart(): void {
    this.#line.restart();
  }

  /**
   * Writes header and payload into `out`; returns the bytes written. 0: `out` is too small, or the packet is late from
   * before its source began here. Its number was used then, and no number goes out twice (an SRTP nonce is made of it).
   */
  write(p: MediaPacket, out: Uint8Array, now: Millis): number {
    const bytes = RTP_HEADER_BYTES + p.payload.length;
    if (bytes > out.length) return 0;
    const line = this.#line;
    line.map(p, now);
    if (line.stale) return 0;
    const marker = p.marker || (line.begins && p.frame === undefined);
    writeRtpHeader(out, this.#payloadType, marker, line.seq, line.timestamp, this.ssrc);
    out.set(p.payload, RTP_HEADER_BYTES);
    this.sent.packet(line.timestamp, p.payload.length, now, p.pts);
    return bytes;
  }
}
