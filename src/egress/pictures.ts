import type { Clock, TrackInfo } from '../contract.ts';
import type { Millis } from '../kit/core.ts';
import type { Flow } from './flow.ts';
import { PictureCache } from './picture-cache.ts';
import { Refs } from './refs.ts';
import type { Taps } from './sound.ts';
import type { VideoCodecs } from './video-codecs.ts';
import type { VideoTarget } from './video-target.ts';
import { VideoTranscode } from './video-transcode.ts';

/** An encoder nobody watches is kept this long: who switches to and fro finds it running. */
const KEEP_MS = 2000;

/** A flow that is made here, in a worker. */
export interface MadeFlow extends Flow {
  tick(now: Millis): void;
  close(): void;
}

/** A flow as one viewer holds it. */
export interface HeldFlow {
  readonly flow: Flow;
  close(): void;
}

/** What moves on with the room's tick. */
export interface Ticking {
  tick(now: Millis): void;
  /** False: `tick` would do nothing. */
  readonly ticking: boolean;
}

interface Made {
  readonly flow: MadeFlow;
  users: number;
  idleSince: Millis;
}

/** Every flow of pictures of one room in this process, shared by all who watch. */
export class Pictures {
  readonly codecs: VideoCodecs;
  readonly clock: Clock;
  readonly #taps: Taps;
  readonly #caches = new Refs<PictureCache>();
  readonly #made = new Map<string, Made>();
  readonly #viewers = new Set<Ticking>();

  constructor(taps: Taps, codecs: VideoCodecs, clock: Clock) {
    this.#taps = taps;
    this.codecs = codecs;
    this.clock = clock;
  }

  /** The shared cache of a track as it is; undo with `release`. */
  cache(track: TrackInfo): PictureCache {
    const { id, canKeyframe } = track;
    return this.#caches.acquire(
      id,
      () => new PictureCache(this.#taps.acquire(id), !canKeyframe, () => this.#taps.release(id)),
    );
  }
  release(track: TrackInfo): void {
    this.#caches.release(track.id);
  }

  /** A track as it is. */
  pass(track: TrackInfo): HeldFlow {
    const cache = this.cache(track);
    const flow: Flow = {
      cache,
      how: 'passthrough',
      format: track.format,
      failure: undefined,
      get wholeBps() {
        return cache.tap.bps;
      },
      limit: (who, bps) => cache.tap.limit(who, bps),
      onFailed: () => () => {},
    };
    return { flow, close: () => this.release(track) };
  }

  transcode(track: TrackInfo, target: VideoTarget): HeldFlow {
    const key = `${track.id} ${track.format.codec}→${target.key}`;
    return this.made(
      key,
      () =>
        new VideoTranscode(track, this.cache(track), target, this.codecs, this.clock, () =>
          this.release(track),
        ),
    );
  }

  /** The flow of `key`, made by `make` unless there is one. */
  made(key: string, make: () => MadeFlow): HeldFlow {
    let entry = this.#made.get(key);
    if (entry === undefined || entry.flow.failure !== undefined) {
      entry = { flow: make(), users: 0, idleSince: 0 };
      this.#made.set(key, entry);
    }
    const { flow } = entry;
    const mine = entry;
    mine.users++;
    return { flow, close: () => this.#leave(key, mine) };
  }

  add(viewer: Ticking): void {
    this.#viewers.add(viewer);
  }
  delete(viewer: Ticking): void {
    this.#viewers.delete(viewer);
  }

  get active(): boolean {
    if (this.#made.size > 0) return true;
    for (const viewer of this.#viewers) if (viewer.ticking) return true;
    return false;
  }

  tick(now: Millis): void {
    for (const [key, made] of this.#made) {
      if (made.users === 0 && now - made.idleSince > KEEP_MS) this.#end(key, made);
      else made.flow.tick(now);
    }
    for (const viewer of this.#viewers) viewer.tick(now);
  }

  close(): void {
    for (const [key, made] of this.#made) this.#end(key, made);
  }

  #leave(key: string, made: Made): void {
    if (--made.users > 0) return;
    made.idleSince = this.clock.now();
    // One that failed has been replaced by now, or nobody wants it.
    if (made.flow.failure !== undefined) this.#end(key, made);
  }

  #end(key: string, made: Made): void {
    if (this.#made.get(key) === made) this.#made.delete(key);
    made.flow.close();
  }
}
