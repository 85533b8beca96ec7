import { type LevelMeter, openLevelMeter } from '../../codecs/audio.ts';
import type { Format, Millis, Publication, Seat, StreamStats, TrackSource } from '../../src/contract.ts';
import { type Rtcp, unixOf } from '../../src/proto/rtp/rtcp.ts';
import { RtpView } from '../../src/proto/rtp/rtp.ts';
import type { RtpSession } from '../../src/proto/rtp/session.ts';
import type { AnsweredMedia } from '../../src/proto/webrtc/answer.ts';
import { TRANSPORT_CC } from '../../src/proto/webrtc/extensions.ts';
import type { OfferedMedia } from '../../src/proto/webrtc/offer.ts';
import type { LegMedia, MediaEvents } from './leg-media.ts';
import { AUDIO_LEVEL, formatsOf } from './plan.ts';

/** Without a packet for this long while media is due, the log and the API call the leg silent. */
const SILENT_MS = 5000;
const NO_LEVEL = 127;

export interface PublisherOptions {
  readonly seat: Seat;
  readonly line: OfferedMedia;
  readonly source: TrackSource;
  /** Of the pictures of the same publisher, too. */
  readonly syncGroup: string;
  /** Further header extensions and feedback to use. */
  readonly transportCc: boolean;
  readonly session: RtpSession;
  readonly events: MediaEvents;
  readonly now: Millis;
}

/** Sound of a browser into its room: RTP line ► level ► publication. */
export class Publisher implements LegMedia {
  readonly #o: PublisherOptions;
  readonly #formats: ReadonlyMap<number, Format>;
  /** Header extension id of the level, when the browser offers it: no decoding needed. */
  readonly #levelId: number | undefined;
  readonly #meters: ReadonlyMap<string, LevelMeter>;
  readonly #view = new RtpView();
  #publication: Publication | undefined;
  #payloadType: number;
  #level = NO_LEVEL;
  #muted = false;
  #startedAt: Millis | undefined;
  #heardAt: Millis = 0;
  #firstPacketMs: number | undefined;
  #silent = false;

  /** Opens level meters where the browser does not say levels itself. Rejects with a Refusal when a codec is missing. */
  static async open(o: PublisherOptions): Promise<Publisher> {
    const meters = new Map<string, LevelMeter>();
    if (!o.line.extensions.has(AUDIO_LEVEL))
      for (const { format } of o.line.formats) meters.set(format.codec, await openLevelMeter(format));
    return new Publisher(o, meters);
  }

  private constructor(o: PublisherOptions, meters: ReadonlyMap<string, LevelMeter>) {
    this.#o = o;
    this.#meters = meters;
    this.#formats = formatsOf(o.line);
    this.#levelId = o.line.extensions.get(AUDIO_LEVEL);
    this.#payloadType = o.line.formats[0]!.payloadType;
    o.session.receiver.expect(new Map([...this.#formats].map(([pt, f]) => [pt, f.clockRate])));
  }

  answer(line: OfferedMedia): AnsweredMedia | undefined {
    if (line !== this.#o.line) return undefined;
    const { transportCc } = this.#o;
    return {
      direction: 'recvonly',
      formats: line.formats,
      extensions: [AUDIO_LEVEL, ...(transportCc ? [TRANSPORT_CC] : [])],
      feedback: transportCc ? ['transport-cc'] : [],
    };
  }

  start(now: Millis): void {
    const { seat, line, source, syncGroup } = this.#o;
    this.#startedAt = this.#heardAt = now;
    this.#publication = seat.publish(
      { source, format: line.formats[0]!.format, canKeyframe: false, syncGroup },
      () => {}, // sound has no keyframes, and its sender needs no pausing
    );
    if (this.#muted) this.#publication.pause(true);
  }

  rtp(bytes: Uint8Array, now: Millis): void {
    const { receiver } = this.#o.session;
    const junk = receiver.read(bytes, now);
    if (junk !== undefined) return this.#o.events.count(junk);
    if (receiver.payloadType !== this.#payloadType) this.#turnTo(receiver.payloadType);
    this.#heard(now);
    const { packet } = receiver;
    packet.level = this.#levelOf(bytes, packet.payload);
    if (!this.#muted) this.#publication?.sink(packet, now);
  }

  rtcp(packets: readonly Rtcp[], now: Millis): void {
    const { receiver } = this.#o.session;
    for (const p of packets) {
      if (p.type !== 'sr' || p.ssrc !== receiver.ssrc) continue;
      receiver.reception.senderReport(p.ntp, now);
      this.#publication?.clock(receiver.ptsOf(p.rtpTime), unixOf(p.ntp));
    }
  }

  get deadline(): Millis {
    const silence =
      this.#startedAt === undefined || this.#silent ? Number.POSITIVE_INFINITY : this.#heardAt + SILENT_MS;
    return Math.min(this.#o.session.deadline, silence);
  }

  tick(now: Millis): Buffer[] {
    if (this.#startedAt !== undefined && !this.#silent && now >= this.#heardAt + SILENT_MS) {
      this.#silent = true;
      this.#o.events.state('silent');
    }
    return now >= this.#o.session.deadline ? [this.#o.session.report(now)] : [];
  }

  bye(now: Millis): Buffer[] {
    return [this.#o.session.bye(now)];
  }

  mute(media: 'audio' | 'video', on: boolean): void {
    if (media !== 'audio') return;
    this.#muted = on;
    this.#publication?.pause(on);
  }

  stats(): StreamStats[] {
    const { receiver } = this.#o.session;
    return [
      {
        media: this.#o.source === 'screen' ? 'screen' : 'audio',
        direction: 'in',
        codec: this.#formats.get(this.#payloadType)!.codec,
        how: 'passthrough',
        ...receiver.totals,
        jitterMs: receiver.reception.jitterMs,
        ...(this.#firstPacketMs !== undefined && { firstPacketMs: this.#firstPacketMs }),
      },
    ];
  }

  close(): void {
    this.#publication?.close();
    for (const meter of this.#meters.values()) meter.close();
  }

  /** Of the header extension where there is one (bit 7 is voice activity, RFC 6464 §3), else of the sound itself. */
  #levelOf(bytes: Uint8Array, payload: Uint8Array): number {
    if (this.#levelId === undefined)
      return this.#meters.get(this.#formats.get(this.#payloadType)!.codec)?.level(payload) ?? NO_LEVEL;
    this.#view.read(bytes);
    const at = this.#view.extension(this.#levelId);
    if (at >= 0) this.#level = bytes[at]! & 0x7f;
    return this.#level; // a packet without it: as loud as the one before
  }

  /** The browser goes on in another codec of the answer. */
  #turnTo(payloadType: number): void {
    this.#payloadType = payloadType;
    this.#publication?.format(this.#formats.get(payloadType)!);
  }

  #heard(now: Millis): void {
    this.#heardAt = now;
    if (this.#firstPacketMs !== undefined && !this.#silent) return;
    this.#firstPacketMs ??= Math.round(now - this.#o.now);
    this.#silent = false;
    this.#o.events.state('up');
  }
}
