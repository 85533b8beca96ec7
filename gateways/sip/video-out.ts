/**
 * Pictures to the peer: room ► restamp ► outbox (pace, one second of history) ► line.
 * A queue that grows without end is dropped and begun anew with a keyframe: late pictures help nobody.
 */
import type { Format, MediaPacket, Millis, StreamStats } from '../../src/contract.ts';
import { RateLimit } from '../../src/kit/limits.ts';
import { LossEstimate } from '../../src/proto/rtp/loss-estimate.ts';
import { Outbox } from '../../src/proto/rtp/outbox.ts';
import { PictureMeter, sizeOf } from '../../src/proto/rtp/picture-meter.ts';
import type { ReportBlock, Rtcp } from '../../src/proto/rtp/rtcp.ts';
import { sends } from '../../src/proto/sdp/section.ts';
import { sendAs, type VideoPlan } from '../../src/proto/sdp/video.ts';
import type { RtpLine } from './rtp-line.ts';

export interface VideoOutEvents {
  /** The peer needs a keyframe. Never called from inside `play`. */
  keyframe(): void;
  /** What the peer's line takes, bits a second, as its reports tell. */
  bitrate(bps: number): void;
  count(reason: string): void;
}

type Asked = Extract<Rtcp, { type: 'tmmbr' | 'tmmbn' }>;

const CLOCK_HZ = 90_000;
/** Above the mean rate, so that what a keyframe has piled up drains. */
const PACE = 1.5;
const LEAST_PACE_BPS = 128_000;
/** A request repeated sooner than this is the same one. */
const ASKED_MS = 200;
/** Packets sent again, a second and at once: loss is repaired, a flood is not doubled. */
const RESENDS_PER_SECOND = 200;

export class VideoOut {
  readonly #line: () => RtpLine;
  readonly #on: VideoOutEvents;
  readonly #outbox = new Outbox(LEAST_PACE_BPS);
  readonly #meter = new PictureMeter();
  readonly #estimate = new LossEstimate();
  readonly #resends = new RateLimit(RESENDS_PER_SECOND, RESENDS_PER_SECOND);
  /** What the line takes by what is lost, and what the peer asked for. */
  #lossBps = Number.POSITIVE_INFINITY;
  #askedBps = Number.POSITIVE_INFINITY;
  #plan: VideoPlan | undefined;
  #format: Format | undefined;
  /** The source can be asked for a keyframe. */
  #canKeyframe = false;
  /** Until the next keyframe begins. */
  #skipping = false;
  #owesRequest = false;
  #askedAt: Millis = Number.NEGATIVE_INFINITY;
  #requests = 0;
  #firSeq = -1;

  constructor(line: () => RtpLine, on: VideoOutEvents) {
    this.#line = line;
    this.#on = on;
  }

  agreed(plan: VideoPlan): void {
    this.#plan = plan;
    this.#outbox.paceBps = Math.max(LEAST_PACE_BPS, plan.maxBps * PACE);
    if (this.#format !== undefined) this.serving(this.#format, this.#canKeyframe);
  }

  /** What `play` gets from now on; undefined: nothing. False: nothing that was negotiated. */
  serving(format: Format | undefined, canKeyframe = false): boolean {
    this.#meter.restart();
    this.#skipping = false;
    this.#canKeyframe = canKeyframe;
    const payloadType = format && this.#plan && sendAs(this.#plan, format);
    this.#format = payloadType === undefined ? undefined : format;
    if (payloadType === undefined) return format === undefined;
    this.#line().session.sender.format(payloadType, CLOCK_HZ);
    return true;
  }

  play(packet: MediaPacket, now: Millis): void {
    const line = this.#line();
    if (this.#format === undefined || !line.ready || this.#plan === undefined) return;
    if (!sends(this.#plan.direction)) return;
    if (this.#skipping && !(packet.frame?.start && packet.frame.key)) return;
    this.#skipping = false;
    if (this.#outbox.full) return this.#overrun();
    const bytes = line.session.sender.write(packet, this.#outbox.slot(), now);
    if (bytes === 0) return this.#on.count('out-unsendable');
    this.#outbox.put(bytes, now);
    this.#meter.packet(packet.payload.length, packet.frame?.end === true, now);
    this.#flush(now);
  }

  get deadline(): Millis {
    return this.#owesRequest ? 0 : this.#outbox.deadline;
  }

  tick(now: Millis): void {
    this.#flush(now);
    if (!this.#owesRequest) return;
    this.#owesRequest = false;
    this.#on.keyframe();
  }

  /** What the peer says of our stream. Media 0 is forgiven: there is only one. */
  rtcp(packets: readonly Rtcp[], now: Millis): void {
    const { ssrc } = this.#line().session.sender;
    const ours = (media: number): boolean => media === ssrc || media === 0;
    for (const p of packets) {
      if (p.type === 'sr' || p.type === 'rr')
        for (const r of p.reports) if (r.ssrc === ssrc) this.#reported(r, now);
      if (p.type === 'pli' && ours(p.media)) this.asked(now);
      else if (p.type === 'fir') this.#fir(p.entries, ours, now);
      else if (p.type === 'tmmbr') this.#limited(p, ours, now);
      else if (p.type === 'nack' && ours(p.media)) this.#again(p.lost, now);
    }
  }

  /** The peer needs a keyframe, by RTCP or by signalling. */
  asked(now: Millis): void {
    if (now < this.#askedAt + ASKED_MS) return;
    this.#askedAt = now;
    this.#requests++;
    this.#on.keyframe();
  }

  stats(media: StreamStats['media'], how: string, now: Millis): StreamStats {
    const { packets, bytes, lost, jitterMs, rttMs } = this.#line().session.sender.sent;
    return {
      media,
      direction: 'out',
      codec: this.#format?.codec ?? this.#plan?.send[0]?.format.codec ?? 'none',
      how,
      packets,
      bytes,
      ...(lost !== undefined && { lost }),
      ...(jitterMs !== undefined && { jitterMs }),
      ...(rttMs !== undefined && { rttMs }),
      ...sizeOf(this.#format),
      ...this.#meter.rates(now),
      keyframesAsked: this.#requests,
      freezes: this.#meter.freezes,
    };
  }

  #flush(now: Millis): void {
    const line = this.#line();
    for (let b = this.#outbox.due(now); b !== undefined; b = this.#outbox.due(now)) line.send(b, b.length);
    if (this.#outbox.waiting > 0) line.arm();
  }

  /** A source that cannot be asked would only send the same burst again: its next keyframe is waited for. */
  #overrun(): void {
    this.#outbox.clear();
    this.#skipping = true;
    this.#owesRequest = this.#canKeyframe;
    this.#on.count('video-overrun');
    this.#line().arm();
  }

  #reported({ fractionLost }: ReportBlock, now: Millis): void {
    const { bitrateBps } = this.#meter.rates(now);
    const bps = this.#estimate.report(fractionLost / 256, bitrateBps, this.#plan?.maxBps ?? 0);
    if (bps === undefined) return;
    this.#lossBps = bps;
    this.#on.bitrate(Math.min(bps, this.#askedBps));
  }

  /** RFC 5104 §4.2.1: the peer says what to send at most, and is told that this is kept. */
  #limited({ sender, entries }: Asked, ours: (media: number) => boolean, now: Millis): void {
    const entry = entries.find(e => ours(e.ssrc));
    if (entry === undefined) return;
    const { ssrc } = this.#line().session.sender;
    this.#line().feedback({ type: 'tmmbn', sender: ssrc, entries: [{ ...entry, ssrc: sender }] }, now);
    if (entry.bps === this.#askedBps) return;
    this.#askedBps = entry.bps;
    this.#on.bitrate(Math.min(this.#lossBps, entry.bps));
  }

  /** RFC 5104 §4.3.1.2: the same number again is the same request. */
  #fir(
    entries: readonly { readonly ssrc: number; readonly seq: number }[],
    ours: (media: number) => boolean,
    now: Millis,
  ): void {
    const entry = entries.find(e => ours(e.ssrc));
    if (entry === undefined || entry.seq === this.#firSeq) return;
    this.#firSeq = entry.seq;
    this.asked(now);
  }

  #again(lost: readonly number[], now: Millis): void {
    for (const seq of lost) {
      const bytes = this.#outbox.again(seq, now);
      if (bytes === undefined) this.#on.count('nack-too-late');
      else if (this.#resends.take(now)) this.#line().send(bytes, bytes.length);
      else this.#on.count('nack-too-many');
    }
  }
}
