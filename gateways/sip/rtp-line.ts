/** What sound and pictures have in common: two sockets, one RTP session, the latch, RTCP, and a timer. */
import type { Clock, MediaPacket, Millis } from '../../src/contract.ts';
import type { UdpPair, UdpPorts } from '../../src/io/udp.ts';
import type { Identity } from '../../src/proto/dtls/proof.ts';
import { isDtls } from '../../src/proto/dtls/record.ts';
import { Latch } from '../../src/proto/rtp/latch.ts';
import { type Rtcp, unixOf } from '../../src/proto/rtp/rtcp.ts';
import type { RtcpFeedback } from '../../src/proto/rtp/rtcp-feedback.ts';
import { isRtcp, RTP_HEADER_BYTES } from '../../src/proto/rtp/rtp.ts';
import { RtpSession } from '../../src/proto/rtp/session.ts';
import type { Targets } from '../../src/proto/sdp/section.ts';
import { Alarm } from './alarm.ts';
import { LineSecurity, type Port } from './line-security.ts';
import { RtcpSide } from './media-rtcp.ts';

export interface LineOptions {
  readonly clock: Clock;
  readonly ports: Pick<UdpPorts, 'open'>;
  readonly family: 4 | 6;
  /** Address the signalling comes from, for the latch. */
  readonly signalling: string | undefined;
  readonly random: (bytes: number) => Buffer;
  /** The same for all lines of a leg, as their clocks are: that is what ties lips to words (RFC 3550 §6.5.1). */
  readonly cname: string;
  readonly unixAtZero: number;
  /** Another agent sent to this peer before. */
  readonly successor: boolean;
  readonly count: (reason: string) => void;
  readonly identity: Identity;
  /** What was agreed to protect the media cannot be had; in a sentence. */
  readonly unprotected: (text: string) => void;
  /** A bug in a chain; media is unusable from here on. */
  readonly failed: (error: unknown) => void;
}

/** Who uses a line. */
export interface LineUser {
  /** `session.receiver` has a packet. */
  rtp(now: Millis): void;
  /** What the peer says in RTCP; reports are dealt with already. */
  rtcp(packets: readonly Rtcp[], now: Millis): void;
  /** When `tick` is wanted. */
  deadline(): Millis;
  tick(now: Millis): void;
}

export class RtpLine {
  readonly session: RtpSession;
  readonly #o: LineOptions;
  readonly #user: LineUser;
  readonly #latch: Latch;
  readonly #rtcp: RtcpSide;
  readonly #security: LineSecurity;
  readonly #alarm: Alarm;
  #pair!: UdpPair;
  #agreed = false;
  #open = true;

  /** Binds the ports. Rejects with a Refusal when there are none. */
  static async open(o: LineOptions, user: LineUser): Promise<RtpLine> {
    const line = new RtpLine(o, user);
    line.#pair = await o.ports.open(o.family, {
      rtp: (bytes, address, port, now) => {
        try {
          line.#received(bytes, address, port, now);
        } catch (error) {
          o.failed(error);
        }
      },
      rtcp: (bytes, address, port, now) =>
        line.#guard(() =>
          line.security === 'dtls' && isDtls(bytes)
            ? line.#shaken(bytes, address, port, 'rtcp', now)
            : line.#reported(bytes, address, port, 'rtcp', now),
        ),
    });
    return line;
  }

  private constructor(o: LineOptions, user: LineUser) {
    this.#o = o;
    this.#user = user;
    const { cname, random, unixAtZero, successor } = o;
    this.session = new RtpSession({ cname, random, unixAtZero, successor, now: o.clock.now() });
    this.#latch = new Latch(o.signalling);
    this.#rtcp = new RtcpSide(this.session, this.#latch, o.signalling);
    this.#security = new LineSecurity({
      ...o,
      renumber: () => this.session.sender.renumber(random(4)),
      failed: o.unprotected,
      send: (bytes, port) => {
        if (port === 'rtcp') return this.#rtcp.send(bytes, this.#pair);
        const to = this.#latch.target;
        if (to !== undefined) this.#pair.rtp.send(bytes, bytes.length, to.port, to.address);
      },
    });
    this.#alarm = new Alarm(o.clock, () => this.#guard(() => this.#tick()));
  }

  get port(): number {
    return this.#pair.rtp.port;
  }

  /** There is somewhere to send to, and keys where there must be some. */
  get ready(): boolean {
    return this.#open && this.#latch.target !== undefined && this.#security.ready;
  }

  /** How its packets are protected. */
  get security(): LineSecurity['type'] {
    return this.#security.type;
  }

  /** Datagrams handed to the system that it may still read from their buffers. */
  queued(): number {
    return this.#pair.rtp.queued();
  }

  agreed(to: Targets): void {
    const now = this.#o.clock.now();
    this.#agreed = true;
    this.#latch.signal(to.remote, now);
    this.#rtcp.agreed(to, now);
    this.#security.agreed(to.keying, to.mux, this.#latch.target !== undefined, now);
    this.arm();
  }

  /** Nothing is agreed any more: reports rest. */
  stop(): void {
    this.#agreed = false;
  }

  /** Sends the first `length` bytes. */
  send(bytes: Uint8Array, length: number): void {
    const to = this.#latch.target;
    if (to === undefined || !this.#open) return;
    const { rtp } = this.#pair;
    if (this.#security.plain) return rtp.send(bytes, length, to.port, to.address);
    const sealed = this.#security.seal(bytes, length, rtp.queued());
    if (sealed === undefined) return this.#o.count('out-not-sealed');
    rtp.send(sealed, sealed.length, to.port, to.address);
  }

  feedback(packet: RtcpFeedback, now: Millis): void {
    if (this.#open) this.#sendRtcp(this.session.feedback(now, packet));
  }

  /** Wakes the user at its deadline, which may have come nearer. */
  arm(): void {
    if (this.#open)
      this.#alarm.set(Math.min(this.session.deadline, this.#security.deadline, this.#user.deadline()));
  }

  /** What sender reports among `packets` say of the stream heard now: media time and the peer's clock (Unix ms). */
  clocks(packets: readonly Rtcp[], tell: (pts: number, captureMs: number) => void): void {
    const { receiver } = this.session;
    for (const p of packets)
      if (p.type === 'sr' && p.ssrc === receiver.ssrc && receiver.payloadType !== -1)
        tell(receiver.ptsOf(p.rtpTime), unixOf(p.ntp));
  }

  /** Says BYE and frees the ports. Idempotent. */
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#alarm.off();
    const now = this.#o.clock.now();
    if (this.#agreed) this.#sendRtcp(this.session.bye(now));
    this.#security.close(now);
    this.#pair.close();
  }

  #received(bytes: Buffer, address: string, port: number, now: Millis): void {
    if (isRtcp(bytes)) return this.#reported(bytes, address, port, 'rtp', now);
    const { count } = this.#o;
    if (this.security === 'dtls' && isDtls(bytes)) return this.#shaken(bytes, address, port, 'rtp', now);
    if (bytes.length < RTP_HEADER_BYTES || (bytes[0] as number) >> 6 !== 2) return count('not-rtp');
    let plain: Uint8Array = bytes;
    if (this.#security.plain) {
      if (!this.#latch.accept(address, port, now)) return count('not-from-peer');
    } else {
      const opened = this.#security.open(bytes, now);
      if (typeof opened === 'string') return count(`srtp-${opened}`);
      this.#latch.prove(address, port);
      plain = opened;
    }
    const junk = this.session.receiver.read(plain, now);
    if (junk !== undefined) return count(junk);
    this.#user.rtp(now);
  }

  /** DTLS beside RTP (RFC 7983). Before there are keys, addresses alone tell whose it is. */
  #shaken(bytes: Buffer, address: string, port: number, on: Port, now: Millis): void {
    const from = on === 'rtp' ? this.#latch : this.#rtcp;
    if (!from.accept(address, port, now)) return this.#o.count('dtls-not-from-peer');
    this.#security.dtls(bytes, on, now);
    this.arm();
  }

  #reported(bytes: Buffer, address: string, port: number, on: Port, now: Millis): void {
    const { plain } = this.#security;
    const opened = plain ? bytes : this.#security.openRtcp(bytes, on, now);
    if (typeof opened === 'string') return this.#o.count(`srtcp-${opened}`);
    const packets = this.#rtcp.received(opened, address, port, now, !plain);
    if (typeof packets === 'string') return this.#o.count(packets);
    this.#user.rtcp(packets, now);
  }

  #tick(): void {
    const now = this.#o.clock.now();
    if (now >= this.session.deadline) this.#report(now);
    if (now >= this.#security.deadline) this.#security.tick(now);
    if (!this.#open) return; // there will be no keys
    this.#user.tick(now);
    this.arm();
  }

  #report(now: Millis): void {
    const bytes = this.session.report(now);
    if (this.#agreed) this.#sendRtcp(bytes);
  }

  #sendRtcp(bytes: Buffer): void {
    const sealed = this.#security.sealRtcp(bytes);
    if (sealed !== undefined) this.#rtcp.send(sealed, this.#pair);
  }

  /** A bug ends this leg and nothing else. Packet paths have it written out: no closure per packet. */
  #guard(run: () => void): void {
    try {
      run();
    } catch (error) {
      this.#o.failed(error);
    }
  }
}

/** A chain's end: what it throws is a bug of ours and ends the leg, not the room. */
export const guarded =
  (o: Pick<LineOptions, 'failed'>, sink: (packet: MediaPacket, now: Millis) => void) =>
  (packet: MediaPacket, now: Millis): void => {
    try {
      sink(packet, now);
    } catch (error) {
      o.failed(error);
    }
  };
