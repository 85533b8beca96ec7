import type { MediaPacket, Sink } from '../contract.ts';
import type { Millis } from '../kit/core.ts';
import { emptyPacket, type PictureCache } from './picture-cache.ts';
import type { OutPacket } from './picture-group.ts';

/** A viewer of an RTMP publisher that lost its picture gets the kept ones again at most this often. */
const REPLAY_EVERY_MS = 1000;
/** What a paced viewer may be sent at once, of the bytes of its line. */
const MAX_CREDIT_MS = 100;
/** A line that is agreed to take no more than this gets the burst at 1.5 times its rate: live pictures come on top. */
const NARROW_BPS = 1_000_000;
const NARROW_FACTOR = 1.5;
/** Any other: 50 KB every 20 ms pass most lines, and a group of 3 s is there in a third of a second. */
const BURST_BPS = 20_000_000;

/** One viewer of one flow of pictures, untouched but for where it begins: at a keyframe with its parameter sets. */
export class VideoFeed {
  readonly #cache: PictureCache;
  readonly #sink: Sink<MediaPacket>;
  readonly #begins: () => void;
  /** Bytes a millisecond of the burst of kept pictures. */
  readonly #pace: number;
  readonly #undo: (() => void)[] = [];
  #awaited: (() => void) | undefined;
  #live = false;
  #renewed = false;
  #held = false;
  #closed = false;
  /** Next packet of the group to be replayed; undefined: none. */
  #replayAt: number | undefined;
  #replayedAt: Millis = Number.NEGATIVE_INFINITY;
  #credit = 0;
  #creditAt: Millis = 0;
  /** All packets of a replayed picture have the pts of its first. */
  #picturePts = 0;
  readonly #packet: OutPacket = emptyPacket();

  /** `begins` is called each time a new pts line starts, right before its first packet. */
  constructor(cache: PictureCache, sink: Sink<MediaPacket>, begins: () => void, maxBps: number) {
    this.#cache = cache;
    this.#sink = sink;
    this.#begins = begins;
    this.#pace = (maxBps > NARROW_BPS ? BURST_BPS : maxBps * NARROW_FACTOR) / 8000;
  }

  /** Starts at once from the cache, or with the next keyframe. */
  start(now: Millis): void {
    this.#undo.push(this.#cache.tap.add((packet, at) => this.#pass(packet, at)));
    if (this.#cache.group?.whole) this.#replay(now);
    else this.#wait();
  }

  /** The next keyframe begins a new pts line; until then it goes on as it is. */
  renew(): void {
    this.#renewed = true;
  }

  /** Nothing more until the next keyframe. */
  pause(): void {
    this.#live = false;
    this.#replayAt = undefined;
  }

  /** Nothing more until `refresh`. */
  hold(): void {
    this.pause();
    this.#held = true;
  }

  /** The viewer has lost its picture. */
  refresh(now: Millis): void {
    this.#held = false;
    const { tap, group } = this.#cache;
    if (group !== undefined) {
      if (group.whole && now >= this.#replayedAt + REPLAY_EVERY_MS) this.#replay(now);
    } else if (this.#live) tap.askKeyframe();
    else this.#wait();
  }

  /** True while a burst is under way, which goes on with each `tick`. */
  get replaying(): boolean {
    return this.#replayAt !== undefined;
  }

  tick(now: Millis): void {
    if (this.#replayAt !== undefined) this.#play(now);
  }

  close(): void {
    this.#closed = true;
    this.#awaited?.();
    for (const undo of this.#undo.splice(0)) undo();
  }

  #wait(): void {
    if (this.#cache.group === undefined) this.#awaited ??= this.#cache.tap.awaitKeyframe();
  }

  #replay(now: Millis): void {
    this.#replayedAt = now;
    this.#credit = 0;
    this.#creditAt = now - MAX_CREDIT_MS;
    this.#live = false;
    this.#replayAt = Number.NEGATIVE_INFINITY;
    this.#play(now);
  }

  /** As much of the group as the viewer's line takes; from its end on, packets go on as they come. */
  #play(now: Millis): void {
    const { group } = this.#cache;
    if (!group?.whole) return this.pause();
    const earned = (now - this.#creditAt) * this.#pace;
    this.#credit = Math.min(this.#credit + earned, this.#pace * MAX_CREDIT_MS);
    this.#creditAt = now;
    while (this.#replayAt !== undefined && this.#credit > 0 && !this.#closed) {
      if (this.#replayAt < group.first) this.#beginGroup(now);
      else if (this.#replayAt < group.end) this.#playOne(this.#replayAt++, now);
      else {
        this.#replayAt = undefined;
        this.#live = true;
      }
    }
  }

  /** From the keyframe: what was left of the group before it is not worth its bits any more. */
  #beginGroup(now: Millis): void {
    const group = this.#cache.group!;
    const packet = this.#packet;
    this.#replayAt = group.first;
    this.#begins();
    group.read(group.first, packet);
    if (!packet.frame.config) this.#cache.sendConfig(this.#sink, packet.seq, packet.pts, now);
  }

  #playOne(at: number, now: Millis): void {
    const packet = this.#packet;
    this.#cache.group!.read(at, packet);
    if (packet.frame.start) this.#picturePts = packet.pts;
    else packet.pts = this.#picturePts;
    this.#credit -= packet.payload.length;
    this.#sink(packet, now);
  }

  #pass(packet: MediaPacket, now: Millis): void {
    if (this.#closed || this.#held || this.#replayAt !== undefined) return; // replaying: it is in the group now
    if (this.#cache.atKeyframe && (!this.#live || this.#renewed)) {
      this.#live = true;
      this.#renewed = false;
      this.#awaited?.();
      this.#awaited = undefined;
      this.#begins();
      if (!packet.frame?.config) this.#cache.sendConfig(this.#sink, packet.seq, packet.pts, now);
    }
    if (this.#live) this.#sink(packet, now);
  }
}
