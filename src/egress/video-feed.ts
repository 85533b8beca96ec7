import type { Feedback, MediaPacket, Sink, TrackInfo } from '../contract.ts';
import type { Millis } from '../kit/core.ts';
import type { PictureCache } from './picture-cache.ts';

/** A viewer of an RTMP publisher that lost its picture gets the cached one again at most this often. */
const REPLAY_EVERY_MS = 1000;

/** One viewer of one picture track, untouched but for where it begins: at a keyframe with its parameter sets. */
export class VideoFeed {
  readonly track: TrackInfo;
  readonly #cache: PictureCache;
  readonly #sink: Sink<MediaPacket>;
  readonly #begins: () => void;
  readonly #undo: (() => void)[] = [];
  #live = false;
  #replayedAt: Millis = Number.NEGATIVE_INFINITY;

  /** `begins` is called each time a new pts line starts, right before its first packet. */
  constructor(track: TrackInfo, cache: PictureCache, sink: Sink<MediaPacket>, begins: () => void) {
    this.track = track;
    this.#cache = cache;
    this.#sink = sink;
    this.#begins = begins;
  }

  /** Starts at once from the cache, or with the next keyframe. */
  start(now: Millis): void {
    this.#undo.push(this.#cache.tap.add((packet, at) => this.#pass(packet, at)));
    if (this.#cache.ready) this.#replay(now);
    else if (this.track.canKeyframe) this.#undo.push(this.#cache.tap.awaitKeyframe());
  }

  /** Nothing more until the next keyframe. */
  pause(): void {
    this.#live = false;
  }

  feedback(f: Feedback, now: Millis): void {
    const { tap } = this.#cache;
    if (f.type === 'bitrate') tap.bitrate(this, f.bps);
    else if (f.type === 'keyframe' && this.track.canKeyframe) tap.askKeyframe();
    else if (f.type === 'keyframe' && this.#cache.ready && now >= this.#replayedAt + REPLAY_EVERY_MS)
      this.#replay(now);
  }

  close(): void {
    this.#cache.tap.bitrate(this, undefined);
    for (const undo of this.#undo.splice(0)) undo();
  }

  #replay(now: Millis): void {
    this.#live = true;
    this.#replayedAt = now;
    this.#begins();
    this.#cache.replay(this.#sink, now);
  }

  #pass(packet: MediaPacket, now: Millis): void {
    if (!this.#live) {
      if (!this.#cache.atKeyframe) return;
      this.#live = true;
      this.#undo[1]?.(); // the keyframe awaited is here
      this.#begins();
      if (!packet.frame?.config) this.#cache.sendConfig(this.#sink, packet.seq, packet.pts, now);
    }
    this.#sink(packet, now);
  }
}
