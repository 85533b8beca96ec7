/** One RTP stream each way of a call: two sockets, one session, reports. */
import { randomBytes } from 'node:crypto';
import type { Clock, MediaPacket, Millis } from '../../src/contract.ts';
import { SendSlots, type UdpPair, UdpPorts } from '../../src/io/udp.ts';
import { Latch } from '../../src/proto/rtp/latch.ts';
import type { Rtcp } from '../../src/proto/rtp/rtcp.ts';
import { isRtcp } from '../../src/proto/rtp/rtp.ts';
import { RtpSession } from '../../src/proto/rtp/session.ts';
import type { Targets } from '../../src/proto/sdp/section.ts';

const SLOT_BYTES = 1500;
/** RFC 3550 §6.2 lets a unicast session report at once: then the peer's first report tells the round trip. */
const FIRST_REPORT_MS = 200;

export interface RtpLineOptions {
  readonly clock: Clock;
  readonly family: 4 | 6;
  /** What goes over the wire for the RTCP name, or the session that has it. */
  readonly session: RtpSession | { readonly cname: string };
  /** Address the signalling goes to. */
  readonly signalling: string;
  /** A datagram of RTP of the peer; its statistics are those of `session.receiver`, which must read it. */
  readonly rtp?: (bytes: Buffer, now: Millis) => void;
  /** RTCP of the peer, after the session has read it. */
  readonly rtcp?: (packets: readonly Rtcp[]) => void;
}

export class RtpLine {
  readonly session: RtpSession;
  readonly #o: RtpLineOptions;
  readonly #slots = new SendSlots(SLOT_BYTES);
  readonly #latch: Latch;
  #pair!: UdpPair;
  #to: Targets | undefined;
  #disarm = (): void => {};
  #open = true;

  /** Rejects with a Refusal when there is no port. */
  static async open(o: RtpLineOptions): Promise<RtpLine> {
    const line = new RtpLine(o);
    line.#pair = await new UdpPorts({ min: 0, max: 0, clock: o.clock }).open(o.family, {
      rtp: (bytes, address, port, now) => line.#rtp(bytes, address, port, now),
      rtcp: (bytes, address, _port, now) => line.#rtcp(bytes, address, now),
    });
    return line;
  }

  private constructor(o: RtpLineOptions) {
    this.#o = o;
    this.#latch = new Latch(o.signalling);
    this.session = o.session instanceof RtpSession ? o.session : openSession(o.clock, o.session.cname);
  }

  get port(): number {
    return this.#pair.rtp.port;
  }

  agreed(to: Targets, payloadType: number, clockRate: number): void {
    const now = this.#o.clock.now();
    if (this.#to === undefined) this.#arm(now + FIRST_REPORT_MS);
    this.#to = to;
    this.#latch.signal(to.remote, now);
    this.session.sender.format(payloadType, clockRate);
  }

  /** False: nobody to send it to. */
  readonly send = (packet: MediaPacket, now: Millis): boolean => {
    const to = this.#latch.target;
    if (!this.#open || to === undefined) return false;
    const { rtp } = this.#pair;
    const slot = this.#slots.take(rtp.queued());
    rtp.send(slot, this.session.sender.write(packet, slot, now), to.port, to.address);
    return true;
  };

  /** Asks the peer for a keyframe (RFC 4585 §6.3.1). */
  requestKey(): void {
    const { sender, receiver } = this.session;
    if (receiver.ssrc !== -1)
      this.#sendRtcp(
        this.session.feedback(this.#o.clock.now(), {
          type: 'pli',
          sender: sender.ssrc,
          media: receiver.ssrc,
        }),
      );
  }

  /** Says BYE and frees the ports. Idempotent. */
  close(): void {
    if (!this.#open) return;
    this.#disarm();
    this.#sendRtcp(this.session.bye(this.#o.clock.now()));
    this.#open = false;
    this.#pair.close();
  }

  #rtp(bytes: Buffer, address: string, port: number, now: Millis): void {
    if (isRtcp(bytes)) return this.#rtcp(bytes, address, now);
    if (this.#latch.accept(address, port, now)) this.#o.rtp?.(bytes, now);
  }

  #rtcp(bytes: Buffer, address: string, now: Millis): void {
    const peers = [this.#latch.latched?.address, this.#to?.remoteRtcp?.address];
    const packets = peers.includes(address) ? this.session.rtcp(bytes, now) : 'stranger';
    if (typeof packets !== 'string') this.#o.rtcp?.(packets);
  }

  #arm(at: Millis): void {
    const { clock } = this.#o;
    this.#disarm = clock.at(at, () => {
      this.#sendRtcp(this.session.report(clock.now()));
      this.#arm(this.session.deadline);
    });
  }

  #sendRtcp(bytes: Buffer): void {
    const { remoteRtcp: to, mux } = this.#to ?? {};
    if (to !== undefined && this.#open)
      (mux ? this.#pair.rtp : this.#pair.rtcp).send(bytes, bytes.length, to.port, to.address);
  }
}

export function openSession(clock: Clock, cname: string): RtpSession {
  const now = clock.now();
  return new RtpSession({ cname, random: randomBytes, unixAtZero: Date.now() - now, now });
}

/** Whether the peer asks for a keyframe (RFC 4585 §6.3.1, RFC 5104 §4.3.1). */
export const asksKeyframe = (packets: readonly Rtcp[]): boolean =>
  packets.some(p => p.type === 'pli' || p.type === 'fir');
