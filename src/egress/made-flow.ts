import type { Feedback, Format, MediaPacket, Sink } from '../contract.ts';
import type { Millis } from '../kit/core.ts';
import { type Termination, terminationOf } from '../kit/refusal.ts';
import { macroblocks } from './accept.ts';
import type { Flow } from './flow.ts';
import { PictureCache } from './picture-cache.ts';
import { Tap } from './tap.ts';
import { TrackTime } from './track-time.ts';
import { bitrateForSize, type VideoTarget } from './video-target.ts';

const CLOCK_HZ = 90_000;
/** No picture takes longer to be made: then its times are of another line than those of its source. */
const MOST_MADE_MS = 2000;

/** What a flow made here drives: a transcoder or a grid. */
export interface Maker {
  requestKey(): void;
  bitrate(bps: number): void;
  close(): void;
}

/** How a maker tells of itself. */
export interface MakerEvents {
  readonly bitrateBps: number;
  readonly onPacket: Sink<MediaPacket>;
  onFormat(f: Format): void;
  onFailed(why: Termination): void;
}

/** The other end of it, which looks towards the sources. */
export interface MadeFrom {
  /** The one source of a picture of a given bit rate: what its viewers can receive concerns the publisher alone. */
  readonly limits?: Tap;
  /** Where pictures keep the times of their source. */
  timeOf?(pts: number): Millis | undefined;
  tick(now: Millis): void;
  close(): void;
}

/** The end of pictures made in a worker that looks towards the viewers. */
export class MadeFlow implements Flow {
  readonly how: string;
  readonly cache: PictureCache;
  readonly target: VideoTarget;
  format: Format;
  failure: Termination | undefined;
  readonly #from: MadeFrom;
  /** Undefined while it is being opened, and when it is over. */
  #maker: Maker | undefined;
  readonly #failed = new Set<() => void>();
  readonly #reformed = new Set<() => void>();
  #sink: Sink<MediaPacket> = () => {};
  #askedBps = Number.POSITIVE_INFINITY;
  #closed = false;

  constructor(how: string, target: VideoTarget, from: MadeFrom) {
    this.how = how;
    this.target = target;
    this.#from = from;
    this.format = target.format;
    const tap = new Tap(new TrackTime(CLOCK_HZ), sink => {
      this.#sink = sink;
      return { feedback: f => this.#asked(f), close() {} };
    });
    this.cache = new PictureCache(tap, false, () => tap.close());
  }

  get wholeBps(): number | undefined {
    return (this.#from.limits ?? this.cache.tap).bps;
  }

  timeOf(pts: number): Millis | undefined {
    const made = this.cache.tap.time.timeOf(pts);
    const shot = this.#from.timeOf?.(pts);
    if (made === undefined || shot === undefined) return made;
    return Math.abs(made - shot) > MOST_MADE_MS ? made : shot;
  }

  get askedBps(): number | undefined {
    return (this.#from.limits ?? this.cache.tap).askedBps;
  }

  limit(who: object, bps: number | undefined): void {
    (this.#from.limits ?? this.cache.tap).limit(who, bps);
  }

  onFailed(listener: () => void): () => void {
    this.#failed.add(listener);
    return () => void this.#failed.delete(listener);
  }

  onFormat(listener: () => void): () => void {
    this.#reformed.add(listener);
    return () => void this.#reformed.delete(listener);
  }

  /** Once, at its beginning. `opened` is called unless it was closed meanwhile. */
  open<M extends Maker>(opening: (on: MakerEvents) => Promise<M>, opened: (maker: M) => void): void {
    const fail = (why: Termination): void => {
      if (this.#closed) return;
      this.failure = why;
      this.#maker = undefined;
      for (const listener of [...this.#failed]) listener();
    };
    const events: MakerEvents = {
      bitrateBps: this.#bitrate(),
      onPacket: (packet, now) => this.#sink(packet, now),
      onFormat: format => {
        this.format = format;
        this.#maker?.bitrate(this.#bitrate());
        for (const listener of [...this.#reformed]) listener();
      },
      onFailed: fail,
    };
    opening(events).then(
      maker => {
        if (this.#closed) return maker.close();
        this.#maker = maker;
        opened(maker);
      },
      error => fail(terminationOf(error)),
    );
  }

  tick(now: Millis): void {
    this.#from.tick(now);
    this.cache.tap.flush(now);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#from.close();
    this.#maker?.close();
    this.#maker = undefined;
    this.cache.close();
  }

  #asked(f: Feedback): void {
    if (f.type === 'keyframe') this.#maker?.requestKey();
    if (f.type !== 'bitrate') return;
    this.#askedBps = f.bps;
    this.#maker?.bitrate(this.#bitrate());
  }

  #bitrate(): number {
    return this.target.classBps ?? Math.min(this.#askedBps, bitrateForSize(macroblocks(this.format)));
  }
}
