import type { Millis } from '../../kit/core.ts';
import { middleNtp, ntpOf, type ReportBlock } from './rtcp.ts';

/**
 * What was received of one SSRC: RFC 3550 A.3 (loss), A.8 (jitter) and the report block made of them.
 * Sequence numbers and timestamps come extended, so nothing here wraps.
 */
export class Reception {
  packets = 0;
  bytes = 0;
  readonly #clockRate: number;
  #baseSeq = 0;
  #highestSeq = -1;
  /** Timestamp units; a float, as the running mean of A.8. */
  #jitter = 0;
  #transit = 0;
  #lastTimestamp = -1;
  #expectedBefore = 0;
  #packetsBefore = 0;
  #lastSr = 0;
  #lastSrAt: Millis = 0;
  constructor(clockRate: number) {
    this.#clockRate = clockRate;
  }

  packet(seq: number, bytes: number): void {
    if (this.packets === 0) this.#baseSeq = seq;
    this.packets++;
    this.bytes += bytes;
    if (seq > this.#highestSeq) this.#highestSeq = seq;
  }

  /** When a packet that carries this timestamp arrived. Call it for media only: events have times of their own. */
  arrival(timestamp: number, now: Millis): void {
    // Packets of one video frame share a timestamp and say nothing of the network.
    if (timestamp === this.#lastTimestamp) return;
    const transit = (now * this.#clockRate) / 1000 - timestamp;
    if (this.#lastTimestamp >= 0) this.#jitter += (Math.abs(transit - this.#transit) - this.#jitter) / 16;
    this.#transit = transit;
    this.#lastTimestamp = timestamp;
  }

  /** The peer's sender report arrived; later reports carry it back (LSR, DLSR). */
  senderReport(ntp: bigint, now: Millis): void {
    this.#lastSr = middleNtp(ntp);
    this.#lastSrAt = now;
  }

  /** Cumulative; negative when duplicates outnumber losses. */
  get lost(): number {
    return this.packets === 0 ? 0 : this.#expected() - this.packets;
  }

  get jitterMs(): number {
    return (this.#jitter * 1000) / this.#clockRate;
  }

  /** The report about `ssrc`; the fraction lost counts from the previous call. */
  report(ssrc: number, now: Millis): ReportBlock {
    const expected = this.packets === 0 ? 0 : this.#expected();
    const expectedNow = expected - this.#expectedBefore;
    const lostNow = expectedNow - (this.packets - this.#packetsBefore);
    this.#expectedBefore = expected;
    this.#packetsBefore = this.packets;
    return {
      ssrc,
      fractionLost:
        expectedNow <= 0 || lostNow <= 0 ? 0 : Math.min(255, Math.floor((lostNow * 256) / expectedNow)),
      lost: this.lost,
      highestSeq: Math.max(0, this.#highestSeq) % 2 ** 32,
      jitter: Math.floor(this.#jitter),
      lastSr: this.#lastSr,
      delaySinceLastSr: this.#lastSr === 0 ? 0 : Math.round(((now - this.#lastSrAt) * 65536) / 1000),
    };
  }

  #expected(): number {
    return this.#highestSeq - this.#baseSeq + 1;
  }
}

/** Times further from the sending than this are of another source, whose first packet is still to come. */
const MOST_AWAY_MS = 2000;

/** What was sent of one SSRC, and what its receiver says of it. */
export class Transmission {
  packets = 0;
  bytes = 0;
  /** From the peer's last report about us; undefined before there is one. */
  rttMs: number | undefined;
  lost: number | undefined;
  jitterMs: number | undefined;
  /** Hz of the timestamps; changes with the codec. */
  clockRate: number;
  /** Lip-sync: when what has `pts` is to be heard or seen, on the monotonic clock. Undefined: when it was sent. */
  timeOf: (pts: number) => Millis | undefined = () => undefined;
  #timestamp = 0;
  #pts = 0;
  #sentAt: Millis = 0;
  readonly #unixAtZero: number;
  /** `unixAtZero`: Unix ms when the monotonic clock was 0, for NTP times. */
  constructor(clockRate: number, unixAtZero: number) {
    this.clockRate = clockRate;
    this.#unixAtZero = unixAtZero;
  }

  /** `bytes`: of the payload only (RFC 3550 §6.4.1 octet count); `pts`: before it became `timestamp`. */
  packet(timestamp: number, bytes: number, now: Millis, pts = 0): void {
    this.packets++;
    this.bytes += bytes;
    this.#timestamp = timestamp;
    this.#pts = pts;
    this.#sentAt = now;
  }

  /**
   * The sender's part of an SR: NTP and RTP time of the same instant, `now`. Streams of one CNAME are played in step by
   * it (RFC 3550 §6.4.1).
   */
  senderInfo(now: Millis): { ntp: bigint; rtpTime: number; packets: number; octets: number } {
    const told = this.timeOf(this.#pts) ?? this.#sentAt;
    const lastAt = Math.abs(told - this.#sentAt) > MOST_AWAY_MS ? this.#sentAt : told;
    const elapsed = Math.round(((now - lastAt) * this.clockRate) / 1000);
    return {
      ntp: ntpOf(this.#unixAtZero + now),
      rtpTime: (this.#timestamp + elapsed) >>> 0,
      packets: this.packets,
      octets: this.bytes,
    };
  }

  /** A report block about our SSRC. RFC 3550 §6.4.1: round trip = arrival − LSR − DLSR. */
  reported(r: ReportBlock, now: Millis): void {
    this.lost = r.lost;
    this.jitterMs = (r.jitter * 1000) / this.clockRate;
    if (r.lastSr === 0) return;
    const trip = (middleNtp(ntpOf(this.#unixAtZero + now)) - r.lastSr - r.delaySinceLastSr) | 0;
    const rttMs = (trip * 1000) / 65536;
    // Clocks of the two ends round differently: slightly below zero is zero. Minutes are a forged or stale report.
    if (rttMs > -50 && rttMs < 60_000) this.rttMs = Math.max(0, rttMs);
  }
}
