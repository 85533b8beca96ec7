/** Sound of a dialled SIP call: two sockets, one RTP session. */
import type { MediaPacket, Millis } from '../../src/contract.ts';
import { SendSlots, type UdpPair, UdpPorts } from '../../src/io/udp.ts';
import { Latch } from '../../src/proto/rtp/latch.ts';
import { isRtcp } from '../../src/proto/rtp/rtp.ts';
import type { RtpSession } from '../../src/proto/rtp/session.ts';
import type { AudioPlan } from '../../src/proto/sdp/audio.ts';
import type { Ear } from './ear.ts';
import type { Trip } from './trip.ts';
import type { Voice } from './voice.ts';

const SLOT_BYTES = 1500;
/** RFC 3550 §6.2 lets a unicast session report at once: then the server's first report tells the round trip. */
const FIRST_REPORT_MS = 200;

export class CallMedia {
  readonly #trip: Trip;
  readonly #ear: Ear;
  readonly #session: RtpSession;
  readonly #slots = new SendSlots(SLOT_BYTES);
  readonly #latch: Latch;
  #pair!: UdpPair;
  #plan: AudioPlan | undefined;
  #disarm = (): void => {};
  #open = true;

  /** Binds the ports; `signalling` is the server's address. Rejects with a Refusal. */
  static async open(family: 4 | 6, signalling: string, voice: Voice, trip: Trip): Promise<CallMedia> {
    const media = new CallMedia(signalling, voice, trip);
    media.#pair = await new UdpPorts({ min: 0, max: 0, clock: trip.clock }).open(family, {
      rtp: (bytes, address, port, now) => media.#rtp(bytes, address, port, now),
      rtcp: (bytes, address, _port, now) => media.#rtcp(bytes, address, now),
    });
    return media;
  }

  private constructor(signalling: string, voice: Voice, trip: Trip) {
    this.#trip = trip;
    this.#session = voice.session;
    this.#ear = voice.ear;
    this.#latch = new Latch(signalling);
  }

  get port(): number {
    return this.#pair.rtp.port;
  }

  /** From the answer on; again when the server offers anew. */
  agreed(plan: AudioPlan): void {
    const { clock } = this.#trip;
    this.#ear.expect(plan.receive, new Set(plan.events.keys()));
    this.#session.sender.format(plan.send.payloadType, plan.send.format.clockRate);
    this.#latch.signal(plan.remote, clock.now());
    if (this.#plan === undefined) this.#arm(clock.now() + FIRST_REPORT_MS);
    this.#plan = plan;
    if (plan.remote !== undefined) this.#trip.mediaTo = `${plan.remote.address}:${plan.remote.port}`;
  }

  readonly send = (packet: MediaPacket, now: Millis): void => {
    const to = this.#latch.target;
    if (!this.#open || to === undefined) return;
    const { rtp } = this.#pair;
    const slot = this.#slots.take(rtp.queued());
    rtp.send(slot, this.#session.sender.write(packet, slot, now), to.port, to.address);
    this.#trip.out.packets++;
  };

  /** Says BYE and frees the ports. Idempotent. */
  close(): void {
    if (!this.#open) return;
    this.#disarm();
    this.#sendRtcp(this.#session.bye(this.#trip.clock.now()));
    this.#open = false;
    this.#pair.close();
  }

  #rtp(bytes: Buffer, address: string, port: number, now: Millis): void {
    if (isRtcp(bytes)) return this.#rtcp(bytes, address, now);
    if (this.#latch.accept(address, port, now)) this.#ear.rtp(bytes, now);
  }

  #rtcp(bytes: Buffer, address: string, now: Millis): void {
    const peers = [this.#latch.latched?.address, this.#plan?.remoteRtcp?.address];
    const packets = peers.includes(address) ? this.#session.rtcp(bytes, now) : 'stranger';
    if (typeof packets === 'string') return;
    const { out } = this.#trip;
    const { sent, ssrc } = this.#session.sender;
    for (const p of packets) {
      if (p.type !== 'sr' && p.type !== 'rr') continue;
      out.reports++;
      if (!p.reports.some(r => r.ssrc === ssrc)) continue;
      out.reported = true;
      out.lossPercent = (100 * Math.max(0, sent.lost ?? 0)) / Math.max(1, sent.packets);
      if (sent.jitterMs !== undefined) out.jitterMs = sent.jitterMs;
      if (sent.rttMs !== undefined) out.rttMs = sent.rttMs;
    }
  }

  #arm(at: Millis): void {
    const { clock } = this.#trip;
    this.#disarm = clock.at(at, () => {
      this.#sendRtcp(this.#session.report(clock.now()));
      this.#arm(this.#session.deadline);
    });
  }

  #sendRtcp(bytes: Buffer): void {
    const { remoteRtcp: to, mux } = this.#plan ?? {};
    if (to === undefined) return;
    (mux ? this.#pair.rtp : this.#pair.rtcp).send(bytes, bytes.length, to.port, to.address);
  }
}
