import type { MediaPacket, Millis, Seat, StreamStats, TrackEvent, Want } from '../../src/contract.ts';
import { RateLimit } from '../../src/kit/limits.ts';
import { type ReportBlock, type Rtcp, writeRtcp } from '../../src/proto/rtp/rtcp.ts';
import type { AnsweredMedia } from '../../src/proto/webrtc/answer.ts';
import { BandwidthEstimate } from '../../src/proto/webrtc/estimate.ts';
import type { OfferedMedia } from '../../src/proto/webrtc/offer.ts';
import { SentLog } from '../../src/proto/webrtc/sent-log.ts';
import { MOST_PAYLOAD } from '../../src/proto/webrtc/video-sender.ts';
import type { LegMedia, MediaEvents, Wire } from './leg-media.ts';
import type { PacketLogs } from './packet-logs.ts';
import { offeredAs, type PictureLine } from './plan.ts';
import { shareBps } from './share.ts';
import { answerFor, type Line, NO_LIMIT_BPS, openLine } from './video-line.ts';

/** Sender reports, rates, and what the line takes, as told upstream. */
const EVERY_MS = 1000;
/** A change of the estimate worth telling. */
const WORTH_TELLING = 0.03;
/** Packets sent again, a second and at once: a burst of loss is repaired, an echo chamber is not built. */
const RESENDS_PER_SECOND = 600;
const RESENDS_AT_ONCE = 300;
/** Of what a narrow line takes, for packets sent again: what it loses, it loses because it is full. */
const RESEND_SHARE = 0.25;
const RESEND_CREDIT_MS = 400;
/** An estimate by loss that has come this far has no limit. */
const LOSSLESS_BPS = 10_000_000;
/** The line is found this much narrower than was told: it is told at once. */
const MUCH_LESS = 0.8;

export interface VideoPlayerOptions {
  readonly seat: Seat;
  readonly lines: readonly PictureLine[];
  /** What each line is for. */
  readonly wants: readonly Want[];
  /** Media stream id of each line. */
  readonly streams: readonly string[];
  readonly cname: string;
  readonly random: (bytes: number) => Buffer;
  /** Unix ms when the monotonic clock was 0. */
  readonly unixAtZero: number;
  readonly logs: PacketLogs;
  readonly wire: Wire;
  readonly events: MediaEvents;
  /** Another member is on some line. */
  readonly changed: () => void;
  readonly now: Millis;
}

/** Pictures of a room to a browser: subscription ► numbers of its line ► seal; NACK ► the log all viewers share. */
export class VideoPlayer implements LegMedia {
  readonly #o: VideoPlayerOptions;
  readonly #lines: readonly Line[];
  readonly #bySsrc: ReadonlyMap<number, Line>;
  readonly #sent = new SentLog();
  readonly #estimate = new BandwidthEstimate();
  readonly #resends = new RateLimit(RESENDS_PER_SECOND, RESENDS_AT_ONCE);
  /** Bytes that may be sent again on a narrow line, and when that was reckoned. */
  #resendBytes = 0;
  #resendAt: Millis = 0;
  #toldTotalBps = NO_LIMIT_BPS;
  #at: Millis;

  constructor(o: VideoPlayerOptions) {
    this.#o = o;
    this.#lines = o.lines.map((planned, i) => openLine(planned, o.wants[i]!, o.streams[i]!, o));
    this.#bySsrc = new Map(this.#lines.map(l => [l.sender.ssrc, l]));
    this.#at = o.now + EVERY_MS;
  }

  answer(line: OfferedMedia): AnsweredMedia | undefined {
    const found = this.#lines.find(l => l.line === line);
    if (found === undefined) return undefined;
    return answerFor(found, this.#o.cname);
  }

  start(): void {
    for (const line of this.#lines) {
      line.sender.sent.timeOf = pts => line.subscription?.timeOf(pts);
      line.subscription = this.#o.seat.want(
        line.want,
        (packet, now) => {
          try {
            this.#send(line, packet, now);
          } catch (error) {
            this.#o.events.failed(error);
          }
        },
        event => this.#event(line, event),
      );
    }
    this.#o.events.state('up');
  }

  rtp(): void {
    this.#o.events.count('rtp-from-player');
  }

  /** True when `ssrc` is one of these lines. */
  owns(ssrc: number): boolean {
    return this.#bySsrc.has(ssrc);
  }

  rtcp(packets: readonly Rtcp[], now: Millis): void {
    for (const p of packets) {
      if (p.type === 'nack') this.#again(p.media, p.lost, now);
      else if (p.type === 'pli') this.#keyframe(this.#bySsrc.get(p.media), now);
      else if (p.type === 'fir') for (const e of p.entries) this.#fir(this.#bySsrc.get(e.ssrc), e.seq, now);
      else if (p.type === 'twcc') {
        this.#sent.feedback(p, now, this.#estimate);
        this.#estimate.update(now);
        const { narrow, bps } = this.#estimate;
        if (narrow && bps < this.#toldTotalBps * MUCH_LESS) this.#tellRates();
      } else if (p.type === 'sr' || p.type === 'rr')
        for (const r of p.reports) this.#reported(this.#bySsrc.get(r.ssrc), r, now);
    }
  }

  get deadline(): Millis {
    return this.#at;
  }

  tick(now: Millis): Buffer[] {
    this.#at = now + EVERY_MS;
    for (const line of this.#lines) line.meter.tick(now);
    this.#tellRates();
    const sending = this.#lines.filter(l => l.sender.sent.packets > 0);
    return sending.map(l => writeRtcp(this.#report(l, now)));
  }

  bye(now: Millis): Buffer[] {
    return this.#lines.map(l =>
      writeRtcp([...this.#report(l, now), { type: 'bye', ssrcs: [l.sender.ssrc] }]),
    );
  }

  /** A player has nothing to mute. */
  mute(): void {}

  /** Whom each line shows. */
  get members(): readonly (string | null)[] {
    return this.#lines.map(l => l.member ?? null);
  }

  stats(): StreamStats[] {
    return this.#lines.map(({ want, sender: { sent }, formats, format, how, member, meter }) => ({
      media: want.kind === 'picture' && want.source === 'content' ? 'screen' : 'video',
      direction: 'out',
      codec: (format ?? formats[0]!.format).codec,
      how: member === undefined ? how : `${how} of ${member}`,
      packets: sent.packets,
      bytes: sent.bytes,
      ...(sent.lost !== undefined && { lost: sent.lost }),
      ...(sent.jitterMs !== undefined && { jitterMs: sent.jitterMs }),
      ...(sent.rttMs !== undefined && { rttMs: sent.rttMs }),
      ...meter.stats(format),
    }));
  }

  close(): void {
    for (const line of this.#lines) {
      line.subscription?.close();
      line.release();
    }
  }

  #send(line: Line, packet: MediaPacket, now: Millis): void {
    if (line.format === undefined) return;
    if (packet.payload.length > MOST_PAYLOAD) return this.#o.events.count('out-too-large');
    if (!line.sender.take(packet, now)) return this.#o.events.count('out-late');
    line.meter.packet(packet, now);
    const out = this.#o.wire.slot();
    const number = line.transportCc ? this.#sent.next(packet.payload.length, now) : 0;
    const headerBytes = line.sender.write(packet, out, number, now);
    this.#o.wire.send(out, headerBytes, packet.payload);
  }

  #reported(line: Line | undefined, r: ReportBlock, now: Millis): void {
    if (line === undefined) return;
    line.sender.sent.reported(r, now);
    if (line.transportCc || line.format === undefined) return;
    const bps = line.loss.report(r.fractionLost / 256, line.meter.bps, LOSSLESS_BPS);
    if (bps === undefined) return;
    line.toldBps = bps < LOSSLESS_BPS ? bps : NO_LIMIT_BPS;
    line.subscription?.feedback({ type: 'bitrate', bps: line.toldBps });
  }

  #again(ssrc: number, lost: readonly number[], now: Millis): void {
    const line = this.#bySsrc.get(ssrc);
    if (line === undefined) return;
    for (const seq of lost) {
      if (!this.#resends.take(now)) return this.#o.events.count('nack-too-many');
      const out = this.#o.wire.slot();
      const payload = line.sender.find(seq);
      if (payload === undefined) {
        this.#o.events.count('nack-too-late');
        continue;
      }
      if (!this.#affords(payload.length, now)) return this.#o.events.count('nack-line-full');
      const number = line.transportCc ? this.#sent.next(payload.length, now) : 0;
      const headerBytes = line.sender.again(seq, out, number);
      this.#o.wire.send(out, headerBytes, line.sender.againPayload);
    }
  }

  #affords(bytes: number, now: Millis): boolean {
    const { narrow, bps } = this.#estimate;
    if (!narrow) return true;
    const perMs = (bps * RESEND_SHARE) / 8000;
    this.#resendBytes = Math.min(
      this.#resendBytes + (now - this.#resendAt) * perMs,
      RESEND_CREDIT_MS * perMs,
    );
    this.#resendAt = now;
    if (this.#resendBytes < 0) return false;
    this.#resendBytes -= bytes;
    return true;
  }

  #event(line: Line, e: TrackEvent): void {
    if (e.type === 'lacking') return this.#o.events.note(e.why.text ?? e.why.reason);
    const before = line.member;
    this.#play(line, e);
    line.meter.restart();
    if (line.member !== before) this.#o.changed();
  }

  #play(line: Line, e: Exclude<TrackEvent, { type: 'lacking' }>): void {
    line.release();
    line.release = () => {};
    line.member = line.format = undefined;
    line.how = 'idle';
    if (e.type === 'idle') return;
    if (e.type === 'unserved') {
      line.how = `unserved: ${e.why.reason}`;
      return this.#o.events.note(e.why.text ?? e.why.reason);
    }
    const offered = offeredAs(line.formats, e.format);
    if (offered === undefined) return this.#o.events.count('format-not-negotiated');
    line.format = e.format;
    line.how = e.how;
    line.toldBps = NO_LIMIT_BPS; // another source: it has not heard yet
    line.member = e.track?.participant;
    const { log, release } = this.#o.logs.acquire(e.track && `${e.track.id} ${e.how}`);
    line.release = release;
    line.sender.serve(offered.payloadType, offered.rtx, log);
  }

  /** RFC 5104 §4.3.1.2: a request repeated has the same number. */
  #fir(line: Line | undefined, seq: number, now: Millis): void {
    if (line === undefined || line.firSeq === seq) return;
    line.firSeq = seq;
    this.#keyframe(line, now);
  }

  #keyframe(line: Line | undefined, now: Millis): void {
    if (line === undefined || !line.keyframes.take(now)) return;
    line.meter.keyframesAsked++;
    line.subscription?.feedback({ type: 'keyframe' });
  }

  /** What each line may take of what the way to the browser takes in all; nothing while that is wide. */
  #tellRates(): void {
    const playing = this.#lines.filter(l => l.transportCc && l.format !== undefined);
    const { narrow, bps: total } = this.#estimate;
    this.#toldTotalBps = narrow ? total : NO_LIMIT_BPS;
    const shares = shareBps(
      total,
      playing.map(l => l.meter.bps),
    );
    for (const [i, line] of playing.entries()) {
      const bps = narrow ? Math.round(shares[i]!) : NO_LIMIT_BPS;
      if (Math.abs(bps - line.toldBps) < line.toldBps * WORTH_TELLING) continue;
      line.toldBps = bps;
      line.subscription?.feedback({ type: 'bitrate', bps });
    }
  }

  #report({ sender }: Line, now: Millis): Rtcp[] {
    const { cname } = this.#o;
    return [
      { type: 'sr', ssrc: sender.ssrc, ...sender.sent.senderInfo(now), reports: [] },
      { type: 'sdes', chunks: [{ ssrc: sender.ssrc, cname }] },
    ];
  }
}
