/** One part of a leg's pictures (camera, or slides beside it): what was agreed becomes media and a place in the room. */

import { PictureComplaints } from '../../codecs/video-ingress.ts';
import type {
  Feedback,
  Format,
  MediaPacket,
  Millis,
  Publication,
  StreamStats,
  Subscription,
  TrackEvent,
  Want,
} from '../../src/contract.ts';
import { receives, sends } from '../../src/proto/sdp/section.ts';
import type { VideoPart, VideoPlan } from '../../src/proto/sdp/video.ts';
import type { LegOptions } from './leg-options.ts';
import type { LineOptions } from './rtp-line.ts';
import { VideoMedia } from './video-media.ts';

export class LegVideo {
  readonly #o: LegOptions;
  readonly #part: VideoPart;
  #media!: VideoMedia;
  #used = false;
  #publication: Publication | undefined;
  /** As the stream itself tells it; undefined before its first keyframe. */
  #format: Format | undefined;
  /** Of the newest sender report: the first one comes before the first keyframe, the next seconds later. */
  #clock: { readonly pts: number; readonly captureMs: number } | undefined;
  #subscription: Subscription | undefined;
  #hold = false;
  #muted = false;
  #how = 'idle';
  readonly #complaints = new PictureComplaints();

  /** Rejects with a Refusal when there are no ports. */
  static async open(o: LegOptions, line: LineOptions, part: VideoPart): Promise<LegVideo> {
    const video = new LegVideo(o, part);
    const count = (reason: string): void => video.#dropped(reason);
    video.#media = await VideoMedia.open(
      { ...line, count },
      {
        format: f => video.#turnTo(f),
        picture: (packet, now) => video.#show(packet, now),
        askBySignalling: () => o.emit({ type: 'keyframe-by-signalling' }),
        clock: (pts, captureMs) => {
          video.#clock = { pts, captureMs };
          video.#publication?.clock(pts, captureMs);
        },
        timeOf: pts => video.#subscription?.timeOf(pts),
        keyframe: () => video.#subscription?.feedback({ type: 'keyframe' }),
        bitrate: bps => video.#subscription?.feedback({ type: 'bitrate', bps }),
      },
    );
    return video;
  }

  private constructor(o: LegOptions, part: VideoPart) {
    this.#o = o;
    this.#part = part;
  }

  get port(): number {
    return this.#media.port;
  }

  /** It was part of the session at some time; else its ports were opened for nothing. */
  get used(): boolean {
    return this.#used;
  }

  /** `hold`: of the whole call. Undefined: not part of the session any more. */
  agreed(plan: VideoPlan | undefined, hold: boolean): void {
    this.#used ||= plan !== undefined;
    this.#media.agreed(plan);
    this.#subscribe(plan);
    const there = plan !== undefined && receives(plan.direction);
    if (!there && !hold) {
      this.#publication?.close();
      this.#publication = undefined;
    }
    this.#pause(() => (this.#hold = hold));
  }

  mute(on: boolean): void {
    this.#pause(() => (this.#muted = on));
  }

  /** The peer asks by signalling for a keyframe of what it sees. */
  asked(): void {
    this.#media.asked();
  }

  stats(): readonly StreamStats[] {
    return this.#media.stats(this.#part === 'main' ? 'video' : 'screen', this.#how);
  }

  close(): void {
    this.#subscription?.close();
    this.#publication?.close();
    this.#media.close();
  }

  #turnTo(format: Format): void {
    this.#format = format;
    this.#publication?.format(format);
  }

  /** The track begins with the first keyframe: before it nobody could show anything, nor knows its size. */
  #show(packet: MediaPacket, now: Millis): void {
    if (this.#hold || this.#muted) return;
    if (this.#publication === undefined) {
      if (!packet.frame?.key) return;
      if (this.#format === undefined) return this.#dropped('h264-no-sps');
      this.#publication = this.#publish(this.#format);
    }
    this.#publication.sink(packet, now);
  }

  #dropped(reason: string): void {
    this.#o.line.count(reason);
    const complaint = this.#complaints.of(reason);
    if (complaint !== undefined) this.#o.note(complaint);
  }

  #publish(format: Format): Publication {
    this.#o.note(`${this.#part === 'main' ? 'pictures come' : 'slides come'} from the peer`);
    const source = this.#part === 'main' ? ('camera' as const) : ('screen' as const);
    const track = { source, format, canKeyframe: true, syncGroup: this.#o.request.leg };
    const publication = this.#o.seat.publish(track, (f: Feedback) => {
      if (f.type === 'keyframe') this.#media.keyframe();
      if (f.type === 'bitrate') this.#media.limit(f.bps);
    });
    if (this.#clock !== undefined) publication.clock(this.#clock.pts, this.#clock.captureMs);
    return publication;
  }

  /** Nothing of a peer on hold or muted is for the room. Back again, it begins with a keyframe. */
  #pause(change: () => void): void {
    const before = this.#hold || this.#muted;
    change();
    const after = this.#hold || this.#muted;
    if (before === after) return;
    this.#publication?.pause(after);
    if (!after) this.#media.keyframe();
  }

  #subscribe(plan: VideoPlan | undefined): void {
    if (plan === undefined || !sends(plan.direction)) {
      this.#subscription?.close();
      this.#subscription = undefined;
      this.#media.serving(undefined);
      this.#how = 'idle';
      return;
    }
    const want: Want = {
      kind: 'picture',
      source: this.#part === 'main' ? 'speaker' : 'content',
      accept: plan.send.map(s => s.format),
      maxBps: plan.maxBps,
    };
    if (this.#subscription !== undefined) return this.#subscription.update(want);
    this.#subscription = this.#o.seat.want(want, this.#media.play, e => this.#event(e));
  }

  #event(e: TrackEvent): void {
    switch (e.type) {
      case 'serving':
        this.#how = e.how;
        if (!this.#media.serving(e.format, e.track?.canKeyframe ?? true))
          this.#o.line.count('video-not-negotiated');
        return;
      case 'idle':
        this.#how = 'idle';
        this.#media.serving(undefined);
        return;
      case 'lacking':
        return this.#o.note(e.why.text ?? e.why.reason);
      case 'unserved': {
        const how = `unserved: ${e.why.reason}`;
        if (how !== this.#how) this.#o.note(e.why.text ?? e.why.reason);
        this.#how = how;
        this.#media.serving(undefined);
      }
    }
  }
}
