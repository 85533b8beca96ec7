/** One RTP stream of the demo's telephone: two sockets, what it sends, and reports. What comes is not listened to. */
import { randomBytes } from 'node:crypto';
import type { Clock, MediaPacket, Millis } from '../../src/contract.ts';
import { SendSlots, type UdpPair, UdpPorts } from '../../src/io/udp.ts';
import { isRtcp } from '../../src/proto/rtp/rtp.ts';
import { RtpSession } from '../../src/proto/rtp/session.ts';
import type { Targets } from '../../src/proto/sdp/section.ts';

const SLOT_BYTES = 1500;

export class DemoLine {
  readonly #clock: Clock;
  readonly #session: RtpSession;
  readonly #slots = new SendSlots(SLOT_BYTES);
  readonly #keyframe: () => void;
  #pair!: UdpPair;
  #to: Targets | undefined;
  #disarm = (): void => {};
  #open = true;

  /** `keyframe`: the other end asks for one. Rejects with a Refusal when there is no port. */
  static async open(clock: Clock, cname: string, keyframe: () => void = () => {}): Promise<DemoLine> {
    const line = new DemoLine(clock, cname, keyframe);
    line.#pair = await new UdpPorts({ min: 0, max: 0, clock }).open(4, {
      rtp: (bytes, _address, _port, now) => {
        if (isRtcp(bytes)) line.#rtcp(bytes, now);
      },
      rtcp: (bytes, _address, _port, now) => line.#rtcp(bytes, now),
    });
    return line;
  }

  private constructor(clock: Clock, cname: string, keyframe: () => void) {
    this.#clock = clock;
    this.#keyframe = keyframe;
    const now = clock.now();
    this.#session = new RtpSession({ cname, random: randomBytes, unixAtZero: Date.now() - now, now });
  }

  get port(): number {
    return this.#pair.rtp.port;
  }

  agreed(to: Targets, payloadType: number, clockRate: number): void {
    if (this.#to === undefined) this.#arm(this.#clock.now());
    this.#to = to;
    this.#session.sender.format(payloadType, clockRate);
  }

  readonly send = (packet: MediaPacket, now: Millis): void => {
    const remote = this.#to?.remote;
    if (!this.#open || remote === undefined) return;
    const { rtp } = this.#pair;
    const slot = this.#slots.take(rtp.queued());
    rtp.send(slot, this.#session.sender.write(packet, slot, now), remote.port, remote.address);
  };

  /** Says BYE and frees the ports. Idempotent. */
  close(): void {
    if (!this.#open) return;
    this.#disarm();
    this.#sendRtcp(this.#session.bye(this.#clock.now()));
    this.#open = false;
    this.#pair.close();
  }

  #rtcp(bytes: Buffer, now: Millis): void {
    const packets = this.#session.rtcp(bytes, now);
    if (typeof packets === 'string') return;
    if (packets.some(p => p.type === 'pli' || p.type === 'fir')) this.#keyframe();
  }

  #arm(at: Millis): void {
    this.#disarm = this.#clock.at(at, () => {
      this.#sendRtcp(this.#session.report(this.#clock.now()));
      this.#arm(this.#session.deadline);
    });
  }

  #sendRtcp(bytes: Buffer): void {
    const { remoteRtcp: to, mux } = this.#to ?? {};
    if (to !== undefined && this.#open)
      (mux ? this.#pair.rtp : this.#pair.rtcp).send(bytes, bytes.length, to.port, to.address);
  }
}
