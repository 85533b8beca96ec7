import type { Feedback, Format, TrackInfo } from '../contract.ts';
import { accepts } from './accept.ts';
import { formatKey } from './codecs.ts';
import { type Feed, type Floor, noPicture, type Outlet, pictureOf } from './feed.ts';
import { VideoFeed } from './video-feed.ts';

interface View {
  readonly track: TrackInfo;
  readonly feed: VideoFeed;
}

/**
 * One picture whose source changes: the old one stays until the new one has a keyframe. Every change is a
 * `serving`, so the leg continues sequence and time across it.
 */
export class Switch implements Feed {
  readonly #floor: Floor;
  readonly #outlet: Outlet;
  readonly #accept: readonly Format[];
  #shown: View | undefined;
  #next: View | undefined;
  /** What was told when there was nothing to pass on: `idle`, or the track that is not acceptable. */
  #told: string | undefined;

  constructor(floor: Floor, accept: readonly Format[], outlet: Outlet) {
    this.#floor = floor;
    this.#accept = accept;
    this.#outlet = outlet;
  }

  /** The track being shown, or about to be. */
  get track(): string | undefined {
    return (this.#next ?? this.#shown)?.track.id;
  }

  /** `track` shall be seen; `there`: all tracks that could be. */
  show(track: TrackInfo | undefined, there: ReadonlyMap<string, TrackInfo>): void {
    const stays = (v: View | undefined): boolean =>
      v !== undefined && keyOf(there.get(v.track.id)) === keyOf(v.track);
    if (!stays(this.#shown)) this.#shown = this.#end(this.#shown);
    if (!stays(this.#next) || this.#next?.track.id !== track?.id) this.#next = this.#end(this.#next);
    if (track === undefined) {
      this.#shown = this.#end(this.#shown);
      if (this.#told !== 'idle') this.#outlet.tell({ type: 'idle' });
      this.#told = 'idle';
    } else if (track.id !== this.#shown?.track.id && this.#next === undefined) this.#begin(track);
  }

  feedback(f: Feedback): void {
    this.#shown?.feed.feedback(f, this.#floor.now());
  }
  pause(): void {
    this.#shown?.feed.pause();
  }
  close(): void {
    this.#shown = this.#end(this.#shown);
    this.#next = this.#end(this.#next);
  }

  #begin(track: TrackInfo): void {
    if (!accepts(this.#accept, track.format)) return this.#refuse(track);
    this.#told = undefined;
    const view: View = {
      track,
      feed: new VideoFeed(track, pictureOf(this.#floor, track), this.#outlet.sink, () => this.#begun(view)),
    };
    this.#next = view;
    view.feed.start(this.#floor.now());
  }

  #refuse(track: TrackInfo): void {
    const told = `unserved ${keyOf(track)}`;
    if (this.#told === told) return;
    this.#told = told;
    this.#shown = this.#end(this.#shown);
    this.#outlet.tell({ type: 'unserved', why: noPicture(track.format, this.#accept) });
  }

  #begun(view: View): void {
    if (this.#next === view) {
      this.#end(this.#shown);
      this.#shown = view;
      this.#next = undefined;
    }
    const { track } = view;
    this.#outlet.tell({ type: 'serving', track, format: track.format, how: 'passthrough' });
  }

  #end(view: View | undefined): undefined {
    if (view === undefined) return;
    view.feed.close();
    this.#floor.pictures.release(view.track.id);
  }
}

/** A track whose format changes begins anew. */
const keyOf = (track: TrackInfo | undefined): string =>
  track === undefined ? '' : `${track.id} ${formatKey(track.format)}`;
