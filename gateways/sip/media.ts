/** The sound of one SIP leg: its RTP line, and the chains between that and the room. */
import type { LevelMeter } from '../../codecs/audio.ts';
import type { Format, MediaPacket, Millis, Sink, StreamStats } from '../../src/contract.ts';
import { SendSlots } from '../../src/io/udp.ts';
import { NEVER } from '../../src/kit/core.ts';
import type { AudioPlan } from '../../src/proto/sdp/audio.ts';
import { receives, sends } from '../../src/proto/sdp/section.ts';
import { DtmfReceiver, type Key } from './dtmf.ts';
import { hearing, playing } from './media-stats.ts';
import { guarded, type LineOptions, RtpLine } from './rtp-line.ts';

export interface MediaOptions {
  readonly line: LineOptions;
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
  /** When what `play` gets is to be heard: `Subscription.timeOf`. */
  timeOf(pts: number): Millis | undefined;
}

/** Without RTP for this long while some is due, the peer is told to be silent. The call goes on. */
const SILENT_MS = 15_000;
/** RTP over Ethernet; a 60 ms frame of G.711 is 480 bytes. */
const SLOT_BYTES = 1500;

export class AudioMedia {
  /** What the room plays to the peer. */
  readonly play: Sink<MediaPacket>;
  readonly #o: MediaOptions;
  #line!: RtpLine;
  readonly #slots = new SendSlots(SLOT_BYTES);
  readonly #dtmf = new DtmfReceiver();
  #plan: AudioPlan | undefined;
  #meters: ReadonlyMap<string, LevelMeter> = new Map();
  #meter: LevelMeter | undefined;
  #payloadType = -1;
  #formats: ReadonlyMap<number, Format> = new Map();
  #format: Format | undefined;
  #hear: Sink<MediaPacket> = () => {};
  readonly #began: Millis;
  #firstPacketMs: number | undefined;
  /** When the peer was last heard, or asked to speak. */
  #heardAt: Millis;
  /** The peer should be sending. */
  #due = false;
  #silent = false;

  /** Binds the ports. Rejects with a Refusal when there are none. */
  static async open(o: MediaOptions): Promise<AudioMedia> {
    const media = new AudioMedia(o);
    media.#line = await RtpLine.open(o.line, {
      rtp: now => media.#received(now),
      rtcp: packets => media.#line.clocks(packets, o.on.clock),
      deadline: () => Math.min(media.#silence, media.#dtmf.deadline),
      tick: now => media.#tick(now),
    });
    media.#line.session.sender.sent.timeOf = pts => o.on.timeOf(pts);
    return media;
  }

  private constructor(o: MediaOptions) {
    this.#o = o;
    this.#began = this.#heardAt = o.line.clock.now();
    this.play = guarded(o.line, (packet, now) => this.#send(packet, now));
  }

  get port(): number {
    return this.#line.port;
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
    const { receiver, sender } = this.#line.session;
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
    this.#heardAt = this.#o.line.clock.now();
    this.#line.agreed(plan);
  }

  /** The source of what `play` gets has changed: its counters begin anew. */
  switched(): void {
    this.#line.session.sender.restart();
  }

  stats(how: string): StreamStats[] {
    if (this.#plan === undefined || this.#format === undefined) return [];
    const { session } = this.#line;
    const { codec } = this.#plan.send.format;
    const { security } = this.#line;
    const streams = [hearing(session, this.#format.codec, this.#firstPacketMs), playing(session, codec, how)];
    return streams.map(s => ({ ...s, security }));
  }

  /** Says BYE and frees the ports. Idempotent. */
  close(): void {
    this.#line.close();
  }

  // The chains. In: line ► event │ level ► room. Out: room ► restamp ► slot ► line.

  #received(now: Millis): void {
    const { receiver } = this.#line.session;
    this.#heard(now);
    if (receiver.aside) return this.#event(now);
    if (receiver.payloadType !== this.#payloadType) this.#turnTo(receiver.payloadType);
    const { packet } = receiver;
    packet.level = this.#meter?.level(packet.payload) ?? 127;
    this.#hear(packet, now);
  }

  #send(packet: MediaPacket, now: Millis): void {
    const line = this.#line;
    if (!line.ready || this.#plan === undefined || !sends(this.#plan.direction)) return;
    const slot = this.#slots.take(line.queued());
    const bytes = line.session.sender.write(packet, slot, now);
    if (bytes === 0) return this.#o.line.count('out-unsendable');
    line.send(slot, bytes);
  }

  #event(now: Millis): void {
    const { receiver } = this.#line.session;
    const clockRate = this.#plan?.events.get(receiver.payloadType) ?? 8000;
    const key = this.#dtmf.packet(receiver.packet.payload, receiver.packet.pts, clockRate, now);
    if (key !== undefined) this.#o.on.key(key);
    this.#line.arm(); // an end that gets lost is found by the timer
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

  #heard(now: Millis): void {
    this.#heardAt = now;
    if (this.#firstPacketMs !== undefined && !this.#silent) return;
    this.#firstPacketMs ??= Math.round(now - this.#began);
    this.#silent = false;
    this.#o.on.state('up');
    this.#line.arm();
  }

  get #silence(): Millis {
    return this.#due && !this.#silent ? this.#heardAt + SILENT_MS : NEVER;
  }

  #tick(now: Millis): void {
    const key = this.#dtmf.overdue(now);
    if (key !== undefined) this.#o.on.key(key);
    if (now < this.#silence) return;
    this.#silent = true;
    this.#o.on.state('silent');
  }
}

const sameStream = (a: AudioPlan['send'], b: AudioPlan['send']): boolean =>
  a.payloadType === b.payloadType && a.format.codec === b.format.codec;
