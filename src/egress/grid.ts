import type { TrackInfo } from '../contract.ts';
import type { Millis } from '../kit/core.ts';
import { MadeFlow, type MadeFrom } from './made-flow.ts';
import type { PictureCache } from './picture-cache.ts';
import type { VideoGrid } from './video-codecs.ts';
import { VideoFeed } from './video-feed.ts';
import type { VideoTarget } from './video-target.ts';
import type { Workshop } from './video-transcode.ts';

/** What codecs/video lays out at most: 3×3. */
export const MAX_CELLS = 9;
/** What a cell of several needs of its camera, bits a second: nobody sees more of it. */
const CELL_BPS = 600_000;

/** Where a grid gets its pictures. */
export interface Cameras {
  /** The cameras to be seen, at most `MAX_CELLS`. */
  list(): readonly TrackInfo[];
  cache(track: TrackInfo): PictureCache;
  release(track: TrackInfo): void;
}

interface Cell {
  readonly track: TrackInfo;
  readonly cache: PictureCache;
  feed: VideoFeed | undefined;
  keyNeeded: boolean;
}

/** Everyone's camera in one picture, composed once for all of this process who want it so. */
export class Grid implements MadeFrom {
  readonly flow: MadeFlow;
  readonly #cameras: Cameras;
  readonly #workshop: Workshop;
  readonly #done: () => void;
  /** By their place; a gap is filled by the last one, so that the others stay where they are. */
  #cells: Cell[] = [];
  #grid: VideoGrid | undefined;
  #laidOut: number;

  constructor(cameras: Cameras, target: VideoTarget, workshop: Workshop, done: () => void) {
    this.#cameras = cameras;
    this.#workshop = workshop;
    this.#done = done;
    this.flow = new MadeFlow('grid', target, this);
    this.#laidOut = Math.max(1, cameras.list().length);
    this.flow.open(
      on =>
        workshop.codecs.openGrid(target.format, {
          ...on,
          cells: this.#laidOut,
          fps: Math.min(GRID_FPS, target.maxFps),
          onKeyNeeded: cell => this.#keyNeeded(cell),
          clock: workshop.clock,
        }),
      grid => {
        this.#grid = grid;
        this.refresh();
      },
    );
  }

  /** Cameras have come or gone. */
  refresh(): void {
    const grid = this.#grid;
    if (grid === undefined) return;
    const wanted = new Map(this.#cameras.list().map(track => [sourceKey(track), track]));
    const before = this.#cells;
    const cells = before.slice();
    for (let i = cells.length - 1; i >= 0; i--) {
      if (wanted.delete(sourceKey((cells[i] as Cell).track))) continue;
      this.#end(cells[i] as Cell);
      const last = cells.pop() as Cell;
      if (i < cells.length) cells[i] = last;
    }
    for (const track of wanted.values()) cells.push(this.#cell(track));
    const count = Math.max(1, cells.length);
    if (count !== this.#laidOut) grid.cells(count);
    this.#laidOut = count;
    this.#cells = cells;
    for (const [i, cell] of cells.entries()) {
      cell.cache.tap.limit(cell, cells.length > 1 ? CELL_BPS : Number.POSITIVE_INFINITY);
      if (before[i] !== cell) this.#begin(grid, i, cell);
    }
  }

  tick(now: Millis): void {
    for (const cell of this.#cells) {
      if (cell.keyNeeded) cell.feed?.refresh(now);
      cell.keyNeeded = false;
      cell.feed?.tick(now);
    }
  }

  close(): void {
    for (const cell of this.#cells.splice(0)) this.#end(cell);
    this.#grid = undefined;
    this.#done();
  }

  #cell(track: TrackInfo): Cell {
    return { track, cache: this.#cameras.cache(track), feed: undefined, keyNeeded: false };
  }

  #begin(grid: VideoGrid, index: number, cell: Cell): void {
    cell.feed?.close();
    const slot = grid.cell(index);
    slot.source(cell.track.format);
    cell.feed = new VideoFeed(
      cell.cache,
      (packet, now) => slot.push(packet, now),
      () => slot.restart(),
      Number.POSITIVE_INFINITY,
    );
    cell.feed.start(this.#workshop.clock.now());
  }

  #keyNeeded(index: number): void {
    const cell = this.#cells[index];
    if (cell !== undefined && cell.cache.group === undefined) cell.keyNeeded = true;
  }

  #end(cell: Cell): void {
    cell.feed?.close();
    cell.cache.tap.limit(cell, undefined);
    this.#cameras.release(cell.track);
  }
}

/** Enough for a conference, at the price of half the pictures. */
const GRID_FPS = 15;

/** Decoders follow changes of size by themselves. */
const sourceKey = (track: TrackInfo): string => `${track.id} ${track.format.codec}`;
