/** The pictures of one video section of a leg: its RTP line, what comes and what goes. */
import type { Format, MediaPacket, Millis, Sink, StreamStats } from '../../src/contract.ts';
import { receives } from '../../src/proto/sdp/section.ts';
import type { VideoPlan } from '../../src/proto/sdp/video.ts';
import { guarded, type LineOptions, RtpLine } from './rtp-line.ts';
import { VideoIn, type VideoInEvents } from './video-in.ts';
import { VideoOut, type VideoOutEvents } from './video-out.ts';

export interface VideoEvents extends Omit<VideoInEvents & VideoOutEvents, 'count'> {
  /** A sender report ties media time to the peer's clock. */
  clock(pts: number, captureMs: number): void;
  /** When what `play` gets is to be seen: `Subscription.timeOf`. */
  timeOf(pts: number): Millis | undefined;
}

export class VideoMedia {
  /** What the room shows to the peer. */
  readonly play: Sink<MediaPacket>;
  readonly #in: VideoIn;
  readonly #out: VideoOut;
  #line!: RtpLine;
  readonly #o: LineOptions;
  #plan: VideoPlan | undefined;

  /** Binds the ports. Rejects with a Refusal when there are none. */
  static async open(o: LineOptions, on: VideoEvents): Promise<VideoMedia> {
    const media = new VideoMedia(o, on);
    media.#line = await RtpLine.open(o, {
      rtp: now => media.#received(now),
      rtcp: (packets, now) => {
        media.#line.clocks(packets, on.clock);
        media.#in.rtcp(packets);
        media.#out.rtcp(packets, now);
      },
      deadline: () => Math.min(media.#in.deadline, media.#out.deadline),
      tick: now => {
        media.#in.tick(now);
        media.#out.tick(now);
      },
    });
    media.#line.session.sender.sent.timeOf = pts => on.timeOf(pts);
    return media;
  }

  private constructor(o: LineOptions, on: VideoEvents) {
    this.#o = o;
    const line = (): RtpLine => this.#line;
    this.#in = new VideoIn(line, { ...on, count: o.count }, o.clock.now());
    this.#out = new VideoOut(line, { ...on, count: o.count });
    this.play = guarded(o, (packet, now) => this.#out.play(packet, now));
  }

  get port(): number {
    return this.#line.port;
  }

  /** From now on pictures flow as `plan` says; undefined: none do, and the ports stay for another time. */
  agreed(plan: VideoPlan | undefined): void {
    this.#plan = plan;
    if (plan === undefined || !receives(plan.direction)) this.#in.stop();
    if (plan === undefined) return this.#line.stop();
    this.#in.agreed(plan);
    this.#out.agreed(plan);
    this.#line.agreed(plan);
  }

  /** What `play` gets from now on; undefined: nothing. False: nothing that was negotiated. */
  serving(format: Format | undefined, canKeyframe?: boolean): boolean {
    return this.#out.serving(format, canKeyframe);
  }

  /** The room needs a keyframe of the peer. */
  keyframe(): void {
    if (this.#plan === undefined || !receives(this.#plan.direction)) return;
    this.#in.keyframe(this.#o.clock.now());
    this.#line.arm();
  }

  /** What the room can take of the peer's pictures at most, bits a second. */
  limit(bps: number): void {
    if (this.#plan === undefined || !receives(this.#plan.direction)) return;
    this.#in.limit(bps, this.#o.clock.now());
    this.#line.arm();
  }

  /** The peer needs a keyframe and says so by signalling. */
  asked(): void {
    if (this.#plan !== undefined) this.#out.asked(this.#o.clock.now());
  }

  stats(media: StreamStats['media'], how: string): StreamStats[] {
    if (this.#plan === undefined) return [];
    const now = this.#o.clock.now();
    const { security } = this.#line;
    return [this.#in.stats(media, now), this.#out.stats(media, how, now)].map(s => ({ ...s, security }));
  }

  /** Says BYE and frees the ports. Idempotent. */
  close(): void {
    this.#line.close();
  }

  #received(now: Millis): void {
    if (this.#plan === undefined || !receives(this.#plan.direction)) return this.#o.count('video-not-agreed');
    this.#in.packet(now);
    this.#line.arm();
  }
}
