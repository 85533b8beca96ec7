import type { Millis } from '../../kit/core.ts';
import { RtpReceiver } from './receiver.ts';
import { type Rtcp, readRtcp, writeRtcp } from './rtcp.ts';
import type { RtcpFeedback } from './rtcp-feedback.ts';
import { RtpSender } from './sender.ts';

/** RFC 3550 §6.2: the least mean interval; the timer is drawn from 0.5 … 1.5 of it, over e − 3/2 (§6.3.1). */
const RTCP_INTERVAL_MS = 5000;
const COMPENSATION = Math.E - 1.5;

/**
 * An RTP session with one peer, sans-I/O: what comes goes through `receiver.read`, what goes through
 * `sender.write`; RTCP is read by `rtcp` and made by `report` when `deadline` has come. Legs and dialers use it.
 */
export class RtpSession {
  readonly receiver = new RtpReceiver();
  readonly sender: RtpSender;
  /** When `report` is due. */
  deadline: Millis;
  readonly #cname: string;
  readonly #random: (bytes: number) => Buffer;
  #sentBefore = 0;

  /** `cname` goes over the wire: nothing private in it (RFC 7022). `successor`: see `RtpSender`. */
  constructor(o: {
    readonly cname: string;
    readonly random: (bytes: number) => Buffer;
    readonly unixAtZero: number;
    readonly now: Millis;
    readonly successor?: boolean;
  }) {
    this.#cname = o.cname;
    this.#random = o.random;
    this.sender = new RtpSender(o.random, o.unixAtZero, o.successor);
    this.deadline = o.now + this.#interval() / 2; // §6.2: half for the first
  }

  /** Takes in what a datagram of RTCP says of our stream and of the peer's; the packets, or why it is junk. */
  rtcp(bytes: Uint8Array, now: Millis): Rtcp[] | string {
    const packets = readRtcp(bytes);
    if (typeof packets === 'string') return packets;
    for (const p of packets) {
      if (p.type !== 'sr' && p.type !== 'rr') continue;
      if (p.type === 'sr' && p.ssrc === this.receiver.ssrc) this.receiver.reception.senderReport(p.ntp, now);
      for (const r of p.reports) if (r.ssrc === this.sender.ssrc) this.sender.sent.reported(r, now);
    }
    return packets;
  }

  /** The regular compound packet: SR if anything was sent since the last one, else RR; and SDES. */
  report(now: Millis): Buffer {
    this.deadline = now + this.#interval();
    return writeRtcp(this.#compound(now));
  }

  /** Feedback that goes out at once, behind a report (RFC 4585 §3.1: never alone unless that was agreed). */
  feedback(now: Millis, ...packets: readonly RtcpFeedback[]): Buffer {
    return writeRtcp([...this.#compound(now), ...packets]);
  }

  /** The last packet of the session. */
  bye(now: Millis): Buffer {
    this.deadline = Number.POSITIVE_INFINITY;
    return writeRtcp([...this.#compound(now), { type: 'bye', ssrcs: [this.sender.ssrc] }]);
  }

  #compound(now: Millis): Rtcp[] {
    const { receiver, sender } = this;
    const reports = receiver.ssrc === -1 ? [] : [receiver.reception.report(receiver.ssrc, now)];
    const sending = sender.sent.packets > this.#sentBefore;
    this.#sentBefore = sender.sent.packets;
    return [
      sending
        ? { type: 'sr', ssrc: sender.ssrc, ...sender.sent.senderInfo(now), reports }
        : { type: 'rr', ssrc: sender.ssrc, reports },
      { type: 'sdes', chunks: [{ ssrc: sender.ssrc, cname: this.#cname }] },
    ];
  }

  #interval(): number {
    return (RTCP_INTERVAL_MS * (0.5 + this.#random(4).readUInt32BE() / 2 ** 32)) / COMPENSATION;
  }
}
