import type { Clock, Feedback, Format, MediaPacket, Sink, TrackInfo } from '../contract.ts';
import type { Millis } from '../kit/core.ts';
import { type Termination, terminationOf } from '../kit/refusal.ts';
import { macroblocks } from './accept.ts';
import { emptyPacket, PictureCache } from './picture-cache.ts';
import type { Flow } from './flow.ts';
import { Tap } from './tap.ts';
import type { VideoCodecs, VideoTranscoder } from './video-codecs.ts';
import { VideoFeed } from './video-feed.ts';
import { bitrateForSize, type VideoTarget } from './video-target.ts';

/** A worker that dies is replaced after this long, so often in a row; one that lasted counts anew. */
const REOPEN_AFTER_MS = 1000;
const MAX_REOPENED = 3;
const LASTED_MS = 30_000;

/** One track in another codec, size or bit rate, made once for all of this process who want it so. */
export class VideoTranscode implements Flow {
  readonly track: TrackInfo;
  readonly how: string;
  readonly cache: PictureCache;
  readonly canKeyframe = true;
  format: Format;
  failure: Termination | undefined;
  readonly #source: PictureCache;
  readonly #target: VideoTarget;
  readonly #codecs: VideoCodecs;
  readonly #clock: Clock;
  readonly #done: () => void;
  readonly #failed = new Set<() => void>();
  #sink: Sink<MediaPacket> = () => {};
  #transcoder: VideoTranscoder | undefined;
  #feed: VideoFeed | undefined;
  /** Tells a transcoder of before that it is not meant any more. */
  #generation = 0;
  #openedAt: Millis = 0;
  #reopenAt: Millis | undefined;
  #reopened = 0;
  #keyNeeded = false;
  /** What the viewers of the whole picture ask for. */
  #askedBps = Number.POSITIVE_INFINITY;
  /** Its packets, numbered on across workers. */
  readonly #packet: MediaPacket = emptyPacket();
  #seq = 0;

  /** `done` gives `source` back. */
  constructor(
    track: TrackInfo,
    source: PictureCache,
    target: VideoTarget,
    codecs: VideoCodecs,
    clock: Clock,
    done: () => void,
  ) {
    this.track = track;
    this.how = `transcode ${track.format.codec}→${target.format.codec}`;
    this.format = target.format;
    this.#source = source;
    this.#target = target;
    this.#codecs = codecs;
    this.#clock = clock;
    this.#done = done;
    const tap = new Tap(sink => {
      this.#sink = sink;
      return { feedback: f => this.#asked(f), close() {} };
    });
    this.cache = new PictureCache(tap, false, () => tap.close());
    if (target.classBps === undefined) source.tap.limit(this, Number.POSITIVE_INFINITY);
    this.#open();
  }

  get wholeBps(): number | undefined {
    return (this.#target.classBps === undefined ? this.cache : this.#source).tap.bps;
  }

  /** Those of one class are no concern of its encoder, but still of the publisher's. */
  limit(who: object, bps: number | undefined): void {
    (this.#target.classBps === undefined ? this.cache : this.#source).tap.limit(who, bps);
  }

  onFailed(listener: () => void): () => void {
    this.#failed.add(listener);
    return () => void this.#failed.delete(listener);
  }

  tick(now: Millis): void {
    if (this.#reopenAt !== undefined && now >= this.#reopenAt) this.#open();
    if (this.#keyNeeded) {
      this.#keyNeeded = false;
      this.#feed?.refresh(now);
    }
    this.#feed?.tick(now);
    this.cache.tap.flush(now);
  }

  close(): void {
    this.#end();
    this.#reopenAt = undefined;
    this.#source.tap.limit(this, undefined);
    this.cache.close();
    this.#done();
  }

  #open(): void {
    this.#reopenAt = undefined;
    const generation = ++this.#generation;
    const meant = (): boolean => generation === this.#generation;
    const opening = this.#codecs.openVideoTranscoder(this.track.format, this.#target.format, {
      bitrateBps: this.#bitrate(),
      maxFps: this.#target.maxFps,
      clock: this.#clock,
      onPacket: (packet, now) => void (meant() && this.#emit(packet, now)),
      onFormat: format => void (meant() && this.#formatted(format)),
      onKeyNeeded: () => void (this.#keyNeeded = true),
      onFailed: why => void (meant() && this.#broke(why)),
    });
    opening.then(
      transcoder => (meant() ? this.#begin(transcoder) : transcoder.close()),
      error => void (meant() && this.#fail(terminationOf(error))),
    );
  }

  #begin(transcoder: VideoTranscoder): void {
    this.#transcoder = transcoder;
    const now = this.#clock.now();
    this.#openedAt = now;
    const sink: Sink<MediaPacket> = (packet, at) => transcoder.push(packet, at);
    this.#feed = new VideoFeed(this.#source, sink, () => {}, Number.POSITIVE_INFINITY);
    this.#feed.start(now);
  }

  #emit(p: MediaPacket, now: Millis): void {
    const packet = this.#packet;
    packet.seq = this.#seq++;
    packet.pts = p.pts;
    packet.marker = p.marker;
    packet.payload = p.payload;
    if (p.frame !== undefined) packet.frame = p.frame;
    this.#sink(packet, now);
  }

  #formatted(format: Format): void {
    this.format = format;
    this.#transcoder?.bitrate(this.#bitrate());
  }

  #asked(f: Feedback): void {
    if (f.type === 'keyframe') this.#transcoder?.requestKey();
    if (f.type !== 'bitrate') return;
    this.#askedBps = f.bps;
    this.#transcoder?.bitrate(this.#bitrate());
  }

  #bitrate(): number {
    const { classBps } = this.#target;
    return classBps ?? Math.min(this.#askedBps, bitrateForSize(macroblocks(this.format)));
  }

  /** The worker died or hung. */
  #broke(why: Termination): void {
    const now = this.#clock.now();
    if (now - this.#openedAt > LASTED_MS) this.#reopened = 0;
    if (this.#reopened++ >= MAX_REOPENED) return this.#fail(why);
    this.#end();
    this.#reopenAt = now + REOPEN_AFTER_MS;
  }

  #fail(why: Termination): void {
    this.#end();
    this.failure = why;
    for (const listener of [...this.#failed]) listener();
  }

  #end(): void {
    this.#generation++;
    this.#feed?.close();
    this.#transcoder?.close();
    this.#feed = this.#transcoder = undefined;
  }
}
