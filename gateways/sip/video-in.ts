/**
 * Pictures from the peer: line ► order (and NACK) ► frame marks ► room.
 * What the line lost is asked for while those behind it wait a moment; what stays lost costs a keyframe.
 */
import { h264Ingress } from '../../codecs/h264/ingress.ts';
import { h264OutOfBand, readSprop } from '../../codecs/h264/out-of-band.ts';
import type { VideoIngressNeeds } from '../../codecs/video-ingress.ts';
import { vp8Ingress } from '../../codecs/vp8/ingress.ts';
import type { Format, MediaPacket, Millis, Sink, StreamStats, VideoCodec } from '../../src/contract.ts';
import { PictureMeter, sizeOf } from '../../src/proto/rtp/picture-meter.ts';
import { Reorder } from '../../src/proto/rtp/reorder.ts';
import type { Rtcp } from '../../src/proto/rtp/rtcp.ts';
import type { VideoFeedback, VideoPlan } from '../../src/proto/sdp/video.ts';
import { KeyframeAsker } from './keyframe-asker.ts';
import { RateAsker } from './rate-asker.ts';
import type { RtpLine } from './rtp-line.ts';

export interface VideoInEvents {
  /** The stream's own format, told before the first packet of it. */
  format(f: Format): void;
  picture(packet: MediaPacket, now: Millis): void;
  /** A keyframe is needed and the peer knows no RTCP feedback. */
  askBySignalling(): void;
  count(reason: string): void;
}

/** Time for a request and its answer; without NACK only for packets that were overtaken. */
const REPAIR_MS = 150;
const OVERTAKEN_MS = 30;
/** More than this at once is not repaired but begun anew. */
const MAX_ASKED = 64;
/** IPv4, UDP and RTP, of packets of the usual size: limits on the wire count them. */
const HEADERS_BYTES = 40;
const PACKET_BYTES = 1000;
/** A peer may tell new parameter sets with each description. */
const MAX_CHAINS = 4;
/** Who has sent nothing for so long has its camera off: it is asked when it is back. */
const ALIVE_MS = 3000;

export class VideoIn {
  readonly #line: () => RtpLine;
  readonly #on: VideoInEvents;
  readonly #reorder: Reorder;
  readonly #asker: KeyframeAsker;
  readonly #rate: RateAsker;
  readonly #meter = new PictureMeter();
  /** By codec and parameter sets. */
  readonly #chains = new Map<string, Sink<MediaPacket>>();
  #chain: Sink<MediaPacket> = () => {};
  #formats: ReadonlyMap<number, Format> = new Map();
  #feedback: VideoFeedback = { nack: false, pli: false, fir: false };
  #payloadType = -1;
  #format: Format | undefined;
  #needsKey = true;
  #firSeq = 0;
  #at: Millis = Number.NEGATIVE_INFINITY;
  #firstPacketMs: number | undefined;
  readonly #began: Millis;

  constructor(line: () => RtpLine, on: VideoInEvents, now: Millis) {
    this.#line = line;
    this.#on = on;
    this.#began = now;
    this.#asker = new KeyframeAsker(at => this.#ask(at));
    this.#rate = new RateAsker((bps, at) => this.#askRate(bps, at));
    this.#reorder = new Reorder(
      OVERTAKEN_MS,
      (packet, at) => this.#chain(packet, at),
      () => {
        this.#needsKey = true;
        on.count('video-gap');
      },
    );
  }

  agreed(plan: VideoPlan): void {
    this.#formats = new Map([...this.#formats, ...plan.receive]); // the old ones are still under way
    this.#feedback = plan.feedback;
    this.#reorder.waitMs = plan.feedback.nack ? REPAIR_MS : OVERTAKEN_MS;
    this.#line().session.receiver.expect(new Map([...this.#formats].map(([pt, f]) => [pt, f.clockRate])));
  }

  /** Nothing is expected until the next `packet`. */
  stop(): void {
    this.#reorder.reset();
    this.#asker.got();
    this.#rate.heard();
    this.#meter.restart();
    this.#needsKey = true;
  }

  /** The line has a packet. */
  packet(now: Millis): void {
    const { receiver } = this.#line().session;
    this.#at = now;
    this.#firstPacketMs ??= Math.round(now - this.#began);
    if (receiver.payloadType !== this.#payloadType) this.#turnTo(receiver.payloadType);
    if (!this.#reorder.push(receiver.packet, now)) this.#on.count('video-late');
  }

  /** The room needs a keyframe. */
  keyframe(now: Millis): void {
    this.#needsKey = true;
    if (now < this.#at + ALIVE_MS) this.#asker.need(now);
  }

  /** What the room can take of the peer's pictures at most, bits a second. */
  limit(bps: number, now: Millis): void {
    if (this.#feedback.tmmbr) this.#rate.limit(bps, now);
  }

  /** The peer tells which limits it keeps. */
  rtcp(packets: readonly Rtcp[]): void {
    const { ssrc } = this.#line().session.sender;
    for (const p of packets)
      if (p.type === 'tmmbn' && p.entries.some(e => e.ssrc === ssrc)) this.#rate.heard();
  }

  get deadline(): Millis {
    return Math.min(this.#reorder.deadline, this.#asker.deadline, this.#rate.deadline);
  }

  tick(now: Millis): void {
    const missing = this.#reorder.missing(now);
    if (missing.length > 0) this.#nack(missing, now);
    this.#reorder.tick(now);
    if (now >= this.#at + ALIVE_MS) this.#asker.got();
    this.#asker.tick(now);
    this.#rate.tick(now);
  }

  stats(media: StreamStats['media'], now: Millis): StreamStats {
    const { receiver, sender } = this.#line().session;
    const { rttMs } = sender.sent;
    return {
      media,
      direction: 'in',
      codec: this.#format?.codec ?? [...this.#formats.values()][0]?.codec ?? 'none',
      how: 'passthrough',
      ...receiver.totals,
      jitterMs: receiver.reception.jitterMs,
      ...(rttMs !== undefined && { rttMs }),
      ...(this.#firstPacketMs !== undefined && { firstPacketMs: this.#firstPacketMs }),
      ...sizeOf(this.#format),
      ...this.#meter.rates(now),
      keyframesAsked: this.#asker.asked,
      freezes: this.#meter.freezes,
    };
  }

  #turnTo(payloadType: number): void {
    const codec = this.#formats.get(payloadType)?.codec as VideoCodec;
    const sets = this.#formats.get(payloadType)?.fmtp?.['sprop-parameter-sets'] ?? '';
    this.#payloadType = payloadType;
    this.#chain = this.#chains.get(`${codec} ${sets}`) ?? this.#open(codec, sets);
  }

  /** `sets`: parameter sets the peer told in its description, which may then be missing in the stream. */
  #open(codec: VideoCodec, sets: string): Sink<MediaPacket> {
    const needs: VideoIngressNeeds = {
      format: f => {
        this.#format = f;
        this.#on.format(f);
      },
      drop: reason => this.#on.count(reason),
    };
    const ingress = codec === 'H264' ? h264Ingress(needs) : vp8Ingress(needs);
    const marked = ingress((packet, now) => this.#picture(packet, now));
    const known = codec === 'H264' ? readSprop(sets) : [];
    const chain = known.length > 0 ? h264OutOfBand(known)(marked) : marked;
    if (this.#chains.size >= MAX_CHAINS) this.#chains.clear();
    this.#chains.set(`${codec} ${sets}`, chain);
    return chain;
  }

  #picture(packet: MediaPacket, now: Millis): void {
    if (packet.frame?.key) {
      this.#needsKey = false;
      this.#asker.got();
    } else if (this.#needsKey) this.#asker.need(now);
    this.#meter.packet(packet.payload.length, packet.frame?.end === true, now);
    this.#on.picture(packet, now);
  }

  #nack(missing: readonly number[], now: Millis): void {
    if (missing.length > MAX_ASKED) return this.keyframe(now);
    if (!this.#feedback.nack) return;
    const { receiver, sender } = this.#line().session;
    const lost = missing.map(seq => receiver.wireSeq(seq));
    this.#line().feedback({ type: 'nack', sender: sender.ssrc, media: receiver.ssrc, lost }, now);
  }

  #askRate(payloadBps: number, now: Millis): void {
    const { receiver, sender } = this.#line().session;
    const bps = Math.round(payloadBps * (1 + HEADERS_BYTES / PACKET_BYTES));
    const entries = [{ ssrc: receiver.ssrc, bps, overhead: HEADERS_BYTES }];
    this.#line().feedback({ type: 'tmmbr', sender: sender.ssrc, entries }, now);
  }

  /** RFC 4585 §6.3.1 and RFC 5104 §4.3.1; where the peer knows neither, RFC 5168. */
  #ask(now: Millis): void {
    const { receiver, sender } = this.#line().session;
    const [from, media] = [sender.ssrc, receiver.ssrc];
    if (this.#feedback.pli) this.#line().feedback({ type: 'pli', sender: from, media }, now);
    else if (this.#feedback.fir) {
      this.#firSeq = (this.#firSeq + 1) & 255;
      const entries = [{ ssrc: media, seq: this.#firSeq }];
      this.#line().feedback({ type: 'fir', sender: from, entries }, now);
    } else this.#on.askBySignalling();
  }
}
