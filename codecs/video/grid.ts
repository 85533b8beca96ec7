import type {
  Clock,
  Format,
  MediaPacket,
  Millis,
  Sink,
  Termination,
  VideoCodec,
} from '../../src/contract.ts';
import { MAX_CELLS } from './fit.ts';
import type { Mailbox } from './mailbox.ts';
import { encodeSpec } from './spec.ts';
import { WorkerJob } from './worker-job.ts';
import type { VideoWorkers } from './workers.ts';

const TICKS_PER_MS = 90;

export interface GridOptions {
  /** The canvas, made smaller when `to` takes less. Default 1280×720. */
  readonly width?: number;
  readonly height?: number;
  /** 1 … 9; may change later. */
  readonly cells: number;
  readonly bitrateBps: number;
  /** Pictures a second; default 15. */
  readonly fps?: number;
  readonly onPacket: Sink<MediaPacket>;
  onFormat(f: Format): void;
  /** The source of this cell must send a keyframe. Not coalesced; may come from inside `push`. */
  onKeyNeeded(cell: number): void;
  onFailed(why: Termination): void;
  readonly clock: Clock;
  readonly workers?: VideoWorkers;
}

export interface GridCell {
  /** What it shows from now on, from its next keyframe; undefined: nothing, dark. */
  source(from: Format | undefined): void;
  /** Never blocks, copies. Ignored while it has no source. */
  push(p: MediaPacket, now: Millis): void;
  /** The next packet pushed is of a new sequence. */
  restart(): void;
}

export interface VideoGrid {
  /** 0-based. Packets for a cell that the grid does not have are ignored. */
  cell(index: number): GridCell;
  /** Lays the canvas out for this many; cells that stay keep their pictures. */
  cells(count: number): void;
  requestKey(): void;
  bitrate(bps: number): void;
  readonly dropped: number;
  close(): void;
}

/** Pictures of up to nine tracks side by side in one, as a receiver that accepts `to` takes it. */
export async function openGrid(to: Format, o: GridOptions): Promise<VideoGrid> {
  const fps = o.fps ?? 15;
  let { bitrateBps } = o;
  let count = Math.min(Math.max(o.cells, 1), MAX_CELLS);
  const encode = () => encodeSpec(to, bitrateBps, fps);
  const job = new WorkerJob(to, o, () => ({
    kind: 'grid',
    encode: encode(),
    width: o.width ?? 1280,
    height: o.height ?? 720,
    cells: count,
  }));
  await job.start();
  const cells = Array.from({ length: MAX_CELLS }, (_, i) => new Cell(job, i));

  const began = o.clock.now();
  let disarm = (): void => {};
  let ticks = 0;
  const tick = (): void => {
    const now = o.clock.now();
    job.compose(Math.round((now - began) * TICKS_PER_MS));
    ticks = Math.max(ticks, Math.floor(((now - began) * fps) / 1000)) + 1; // what was missed is not made up for
    disarm = o.clock.at(began + (ticks * 1000) / fps, tick);
  };
  tick();

  return {
    cell: index => cells[index] as Cell,
    cells(wanted) {
      count = Math.min(Math.max(wanted, 1), MAX_CELLS);
      for (const gone of cells.slice(count)) gone.source(undefined);
      job.tell({ type: 'cells', count });
    },
    requestKey: () => job.tell({ type: 'key' }),
    bitrate(bps) {
      bitrateBps = bps;
      job.tell({ type: 'bitrate', bps: encode().bitrateBps });
    },
    get dropped() {
      return cells.reduce((n, cell) => n + cell.dropped, job.dropped);
    },
    close() {
      disarm();
      job.close();
    },
  };
}

class Cell implements GridCell {
  readonly #job: WorkerJob;
  readonly #index: number;
  #mailbox: Mailbox | undefined;
  #droppedBefore = 0;
  constructor(job: WorkerJob, index: number) {
    this.#job = job;
    this.#index = index;
  }

  get dropped(): number {
    return this.#droppedBefore + (this.#mailbox?.dropped ?? 0);
  }

  source(from: Format | undefined): void {
    this.#droppedBefore = this.dropped;
    if (this.#mailbox !== undefined) {
      this.#job.remove(this.#mailbox);
      this.#job.tell({ type: 'clear', cell: this.#index });
    }
    this.#mailbox = from && this.#job.mailbox(this.#index, from.codec as VideoCodec);
  }

  push(p: MediaPacket, now: Millis): void {
    this.#mailbox?.push(p, now);
  }

  restart(): void {
    this.#mailbox?.restart();
  }
}
