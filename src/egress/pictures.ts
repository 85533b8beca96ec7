import type { Clock, Format, TrackInfo } from '../contract.ts';
import type { Millis } from '../kit/core.ts';
import { accepts, macroblocks } from './accept.ts';
import type { Flow } from './flow.ts';
import { Grid } from './grid.ts';
import type { MadeFlow } from './made-flow.ts';
import { PictureCache } from './picture-cache.ts';
import { Refs } from './refs.ts';
import type { Taps } from './sound.ts';
import type { VideoCodecs } from './video-codecs.ts';
import type { VideoTarget } from './video-target.ts';
import { transcodeFlow } from './video-transcode.ts';

/** An encoder nobody watches is kept this long: who switches to and fro finds it running. */
const KEEP_MS = 2000;

/** Kinds of transcodes in one room at most: whoever asks for ever new ones must not fill the machine. */
const MAX_MADE = 64;

/** Of a smaller copy whose rate is not known: 170 kbit/s for 320×180, 640 for 640×360. */
const LAYER_BPS_PER_BLOCK = 700;

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
  /** Counts why someone sees nothing. */
  readonly count: (reason: string) => void;
  readonly #taps: Taps;
  readonly #caches = new Refs<PictureCache>();
  readonly #made = new Map<string, Made>();
  readonly #viewers = new Set<Ticking>();
  readonly #grids = new Set<Grid>();
  readonly #cameras: () => readonly TrackInfo[];
  readonly #layersOf: (track: string) => readonly TrackInfo[];

  /** `cameras`: those a grid shows. `layersOf`: smaller copies of a track, which come now. */
  constructor(
    taps: Taps,
    codecs: VideoCodecs,
    clock: Clock,
    cameras: () => readonly TrackInfo[],
    layersOf: (track: string) => readonly TrackInfo[],
    count: (reason: string) => void,
  ) {
    this.#layersOf = layersOf;
    this.count = count;
    this.#taps = taps;
    this.#cameras = cameras;
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
      get askedBps() {
        return track.canKeyframe ? cache.tap.askedBps : undefined; // RTMP publishers hear nothing
      },
      timeOf: pts => cache.tap.time.timeOf(pts),
      limit: (who, bps) => cache.tap.limit(who, bps),
      onFailed: () => () => {},
      onFormat: () => () => {},
    };
    return { flow, close: () => this.release(track) };
  }

  /**
   * The largest smaller copy of `track` that a receiver of `accept` takes, of at most `bps`. The rate of what is not
   * being sent to anyone is guessed by its size.
   */
  layerWithin(track: TrackInfo, accept: readonly Format[], bps: number): TrackInfo | undefined {
    const size = (t: TrackInfo): number => macroblocks(t.format) ?? 0;
    const fits = (t: TrackInfo): boolean => {
      const known = this.#caches.get(t.id)?.tap.bps;
      return (known ?? size(t) * LAYER_BPS_PER_BLOCK) <= bps && accepts(accept, t.format);
    };
    return this.#layersOf(track.id)
      .filter(t => size(t) > 0 && size(t) < size(track))
      .sort((a, b) => size(b) - size(a))
      .find(fits);
  }

  /** `layer`, which is a smaller copy of `track`: what its viewers can receive concerns the publisher of both. */
  layer(track: TrackInfo, layer: TrackInfo): HeldFlow {
    const whole = this.pass(track);
    const copy = this.pass(layer);
    const { cache, how, format } = copy.flow;
    const flow: Flow = {
      cache,
      how,
      format,
      failure: undefined,
      get wholeBps() {
        return whole.flow.wholeBps;
      },
      get askedBps() {
        return whole.flow.askedBps;
      },
      timeOf: pts => copy.flow.timeOf(pts),
      limit: (who, bps) => whole.flow.limit(who, bps),
      onFailed: () => () => {},
      onFormat: () => () => {},
    };
    const close = (): void => {
      copy.close();
      whole.close();
    };
    return { flow, close };
  }

  /** `track` as `target`. */
  transcode(track: TrackInfo, target: VideoTarget): HeldFlow {
    return this.#hold(`${track.id} ${track.format.codec}→${target.key}`, () => {
      const source = this.pass(track);
      return transcodeFlow(source.flow, target, this, () => source.close());
    });
  }

  /** All cameras in one, as `whole`. */
  grid(whole: VideoTarget): HeldFlow {
    return this.#hold(`grid→${whole.key}`, () => {
      const cameras = {
        list: this.#cameras,
        cache: (t: TrackInfo) => this.cache(t),
        release: (t: TrackInfo) => this.release(t),
      };
      const grid: Grid = new Grid(cameras, whole, this, () => this.#grids.delete(grid));
      this.#grids.add(grid);
      return grid.flow;
    });
  }

  /** The same made smaller: composed once. */
  narrowGrid(whole: VideoTarget, target: VideoTarget): HeldFlow {
    return this.#hold(`grid→${whole.key}→${target.key}`, () => {
      const source = this.grid(whole);
      return transcodeFlow(source.flow, target, this, () => source.close(), 'grid');
    });
  }

  /** Room for one kind of pictures more. */
  get hasRoom(): boolean {
    return this.#made.size < MAX_MADE;
  }

  /** Cameras have come or gone. */
  refresh(): void {
    for (const grid of this.#grids) grid.refresh();
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

  /** The flow of `key`, made by `make` unless there is one. */
  #hold(key: string, make: () => MadeFlow): HeldFlow {
    let made = this.#made.get(key);
    if (made === undefined || made.flow.failure !== undefined) {
      made = { flow: make(), users: 0, idleSince: 0 };
      this.#made.set(key, made);
    }
    const mine = made;
    mine.users++;
    return { flow: mine.flow, close: () => this.#leave(key, mine) };
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
