/** The media of one SIP leg, sound: two sockets, one RTP session, and the chains between them and the room. */
import type { LevelMeter } from '../../codecs/audio.ts';
import type { Clock, Format, MediaPacket, Sink, StreamStats } from '../../src/contract.ts';
import { SendSlots, type UdpPair, type UdpPorts } from '../../src/io/udp.ts';
import { Latch } from '../../src/proto/rtp/latch.ts';
import { unixOf } from '../../src/proto/rtp/rtcp.ts';
import { isRtcp, RTP_HEADER_BYTES } from '../../src/proto/rtp/rtp.ts';
import { RtpSession } from '../../src/proto/rtp/session.ts';
import type { AudioPlan } from '../../src/proto/sdp/audio.ts';
import { receives, sends } from '../../src/proto/sdp/section.ts';
import { DtmfReceiver, type Key } from './dtmf.ts';
import { RtcpSide } from './media-rtcp.ts';
import { hearing, playing } from './media-stats.ts';

export interface MediaOptions {
  readonly clock: Clock;
  readonly ports: UdpPorts;
  readonly family: 4 | 6;
  /** Address the signalling comes from, for the latch. */
  readonly signalling: string | undefined;
  readonly random: (bytes: number) => Buffer;
  readonly count: (reason: string) => void;
  readonly on: MediaEvents;
}

/** Facts, told outside the packet path except for keys and formats. */
interface MediaEvents {
  state(state: 'up' | 'silent'): void;
  key(k: Key): void;
  /** The peer goes on in another codec of the plan: told before its first packet. */
  format(f: Format): void;
  /** A sender report ties media time to the peer's clock. */
  clock(pts: number, captureMs: number): void;
  /** A bug in a chain; media is unusable from here on. */
  failed(error: unknown): void;
}

/** Without RTP for this long while some is due, the peer is told to be silent. The call goes on. */
const SILENT_MS = 15_000;
/** RTP over Ethernet; a 60 ms frame of G.711 is 480 bytes. */
const SLOT_BYTES = 1500;

export class AudioMedia {
  /** What the room plays to the peer. */
  readonly play: Sink<MediaPacket>;
  readonly #o: MediaOptions;
  readonly #session: RtpSession;
  readonly #latch: Latch;
  readonly #rtcp: RtcpSide;
  readonly #slots = new SendSlots(SLOT_BYTES);
  readonly #dtmf = new DtmfReceiver();
  #pair!: UdpPair;
  #plan: AudioPlan | undefined;
  #meters: ReadonlyMap<string, LevelMeter> = new Map();
  #meter: LevelMeter | undefined;
  #payloadType = -1;
  #formats: ReadonlyMap<number, Format> = new Map();
  #format: Format | undefined;
  #hear: Sink<MediaPacket> = () => {};
  #open = true;
  readonly #began: number;
  #firstPacketMs: number | undefined;
  /** When the peer was last heard, or asked to speak. */
  #heardAt: number;
  /** The peer should be sending. */
  #due = false;
  #silent = false;
  #disarm: () => void = () => {};
  #armedFor = Number.POSITIVE_INFINITY;

  /** Binds the ports. Rejects with a Refusal when there are none. */
  static async open(o: MediaOptions): Promise<AudioMedia> {
    const media = new AudioMedia(o);
    media.#pair = await o.ports.open(o.family, {
      rtp: (bytes, address, port, now) => {
        try {
          media.#received(bytes, address, port, now);
        } catch (error) {
          o.on.failed(error);
        }
      },
      rtcp: (bytes, address, port, now) => media.#guard(() => media.#reported(bytes, address, port, now)),
    });
    return media;
  }

  private constructor(o: MediaOptions) {
    this.#o = o;
    const now = o.clock.now();
    const cname = o.random(9).toString('base64url'); // RFC 7022 §4.2: short-term, random
    this.#session = new RtpSession({ cname, random: o.random, unixAtZero: Date.now() - now, now });
    this.#latch = new Latch(o.signalling);
    this.#rtcp = new RtcpSide(this.#session, this.#latch, o.signalling);
    this.#began = this.#heardAt = now;
    this.play = (packet, at) => {
      try {
        this.#send(packet, at);
      } catch (error) {
        o.on.failed(error);
      }
    };
  }

  get port(): number {
    return this.#pair.rtp.port;
  }

  /** The format the peer speaks now. */
  get format(): Format | undefined {
    return this.#format;
  }

  /**
   * From now on media flows as `plan` says. `hear` gets what the peer says, in the plan's formats; `meters` has one
   * for every codec that may come; `hold`: the peer may be silent.
   */
  agreed(
    plan: AudioPlan,
    hold: boolean,
    meters: ReadonlyMap<string, LevelMeter>,
    hear: Sink<MediaPacket>,
  ): void {
    const now = this.#o.clock.now();
    const { receiver, sender } = this.#session;
    const before = this.#plan;
    this.#plan = plan;
    this.#due = receives(plan.direction) && !hold;
    this.#meters = meters;
    this.#hear = hear;
    this.#payloadType = -1;
    this.#formats = new Map([...(before?.receive ?? []), ...plan.receive]); // the old ones are still under way
    this.#format ??= [...plan.receive.values()][0];
    receiver.expect(
      new Map([...this.#formats].map(([payloadType, f]) => [payloadType, f.clockRate])),
      new Set(plan.events.keys()),
    );
    if (before === undefined || !sameStream(before.send, plan.send))
      sender.format(plan.send.payloadType, plan.send.format.clockRate);
    this.#latch.signal(plan.remote, now);
    this.#rtcp.agreed(plan, now);
    this.#heardAt = now;
    this.#arm();
  }

  /** The source of what `play` gets has changed: its counters begin anew. */
  switched(): void {
    this.#session.sender.restart();
  }

  stats(how: string): StreamStats[] {
    if (this.#plan === undefined || this.#format === undefined) return [];
    const { codec } = this.#plan.send.format;
    return [
      hearing(this.#session, this.#format.codec, this.#firstPacketMs),
      playing(this.#session, codec, how),
    ];
  }

  /** Says BYE and frees the ports. Idempotent. */
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#disarm();
    if (this.#plan !== undefined) this.#rtcp.send(this.#session.bye(this.#o.clock.now()), this.#pair);
    this.#pair.close();
  }

  // The chains. In: gate ► latch ► RTP line ► event │ level ► room. Out: room ► restamp ► slot ► socket.

  #received(bytes: Buffer, address: string, port: number, now: number): void {
    if (isRtcp(bytes)) return this.#reported(bytes, address, port, now);
    if (bytes.length < RTP_HEADER_BYTES || (bytes[0] as number) >> 6 !== 2) return this.#o.count('not-rtp');
    if (!this.#latch.accept(address, port, now)) return this.#o.count('not-from-peer');
    const { receiver } = this.#session;
    const junk = receiver.read(bytes, now);
    if (junk !== undefined) return this.#o.count(junk);
    this.#heard(now);
    if (receiver.aside) return this.#event(now);
    if (receiver.payloadType !== this.#payloadType) this.#turnTo(receiver.payloadType);
    const { packet } = receiver;
    packet.level = this.#meter?.level(packet.payload) ?? 127;
    this.#hear(packet, now);
  }

  #send(packet: MediaPacket, now: number): void {
    const to = this.#latch.target;
    if (!this.#open || to === undefined || this.#plan === undefined || !sends(this.#plan.direction)) return;
    const { rtp } = this.#pair;
    const slot = this.#slots.take(rtp.queued());
    const bytes = this.#session.sender.write(packet, slot, now);
    if (bytes === 0) return this.#o.count('out-too-large');
    rtp.send(slot, bytes, to.port, to.address);
  }

  #event(now: number): void {
    const { receiver } = this.#session;
    const clockRate = this.#plan?.events.get(receiver.payloadType) ?? 8000;
    const key = this.#dtmf.packet(receiver.packet.payload, receiver.packet.pts, clockRate, now);
    if (key !== undefined) this.#o.on.key(key);
    if (this.#dtmf.deadline < this.#armedFor) this.#arm(); // an end that gets lost is found by the timer
  }

  /** Another payload type of the plan. */
  #turnTo(payloadType: number): void {
    const format = this.#formats.get(payloadType);
    this.#payloadType = payloadType;
    if (format === undefined) return;
    this.#meter = this.#meters.get(format.codec);
    const changed = JSON.stringify(format) !== JSON.stringify(this.#format);
    this.#format = format;
    if (changed) this.#o.on.format(format);
  }

  #heard(now: number): void {
    this.#heardAt = now;
    if (this.#firstPacketMs !== undefined && !this.#silent) return;
    this.#firstPacketMs ??= Math.round(now - this.#began);
    this.#silent = false;
    this.#o.on.state('up');
  }

  #reported(bytes: Buffer, address: string, port: number, now: number): void {
    const packets = this.#rtcp.received(bytes, address, port, now);
    if (typeof packets === 'string') return this.#o.count(packets);
    const { receiver } = this.#session;
    for (const p of packets)
      if (p.type === 'sr' && p.ssrc === receiver.ssrc && this.#payloadType !== -1)
        this.#o.on.clock(receiver.ptsOf(p.rtpTime), unixOf(p.ntp));
  }

  /** One timer for reports, lost ends of events and silence. */
  #arm(): void {
    this.#disarm();
    if (!this.#open) return;
    const now = this.#o.clock.now();
    const silence = this.#due && !this.#silent ? this.#heardAt + SILENT_MS : Number.POSITIVE_INFINITY;
    const when = Math.min(this.#session.deadline, silence, this.#dtmf.deadline);
    this.#armedFor = when;
    this.#disarm = this.#o.clock.at(Math.max(now, when), () => this.#guard(() => this.#tick()));
  }

  #tick(): void {
    const now = this.#o.clock.now();
    if (now >= this.#session.deadline) this.#rtcp.send(this.#session.report(now), this.#pair);
    const key = this.#dtmf.overdue(now);
    if (key !== undefined) this.#o.on.key(key);
    if (this.#due && !this.#silent && now >= this.#heardAt + SILENT_MS) {
      this.#silent = true;
      this.#o.on.state('silent');
    }
    this.#arm();
  }

  /** A bug ends this leg and nothing else. Packet paths have it written out: no closure per packet. */
  #guard(run: () => void): void {
    try {
      run();
    } catch (error) {
      this.#o.on.failed(error);
    }
  }
}

const sameStream = (a: AudioPlan['send'], b: AudioPlan['send']): boolean =>
  a.payloadType === b.payloadType && a.format.codec === b.format.codec;
