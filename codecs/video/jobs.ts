import type { Frame } from 'node-av/lib';
import type { VideoCodec } from '../../src/contract.ts';
import type { Av } from '../av.ts';
import { Coder } from './coder.ts';
import { fitBlocks, fitInside, gridCells, type Rect } from './fit.ts';
import { Intake } from './intake.ts';
import { blankFrame, Scaler } from './scaler.ts';
import type { CodedPicture, JobSpec } from './wire.ts';

/** What a worker does for one transcoder or grid. Coded pictures are added to `out`. */
export interface Job {
  readonly coder: Coder;
  /** False when this cell cannot go on without a keyframe. */
  pictures(cell: number, codec: VideoCodec, pictures: readonly CodedPicture[], out: CodedPicture[]): boolean;
  compose(pts: number, out: CodedPicture[]): void;
  cells(count: number): void;
  clear(cell: number): void;
  close(): void;
}

export const openJob = (lib: Av, spec: JobSpec): Job =>
  spec.kind === 'grid' ? new GridJob(lib, spec) : new TranscodeJob(lib, spec);

class TranscodeJob implements Job {
  readonly coder: Coder;
  readonly #intake: Intake;
  constructor(lib: Av, spec: JobSpec) {
    this.coder = new Coder(lib, spec.encode);
    this.#intake = new Intake(lib);
  }

  pictures(_: number, codec: VideoCodec, pictures: readonly CodedPicture[], out: CodedPicture[]): boolean {
    return this.#intake.decode(codec, pictures, frame => this.coder.encode(frame, Number(frame.pts), out));
  }
  compose(): void {}
  cells(): void {}
  clear(): void {}
  close(): void {
    this.#intake.close();
    this.coder.close();
  }
}

interface Cell {
  readonly intake: Intake;
  readonly scaler: Scaler;
  /** The newest picture, or one of no size. */
  readonly newest: Frame;
  shown: Rect | undefined;
  filled: boolean;
  changed: boolean;
}

/** Limited range black is 16; a little above, so that an empty cell is not taken for a dead screen. */
const DARK = [24, 128, 128] as const;

class GridJob implements Job {
  readonly coder: Coder;
  readonly #lib: Av;
  readonly #canvas: Frame;
  readonly #cells: Cell[] = [];
  #rects: readonly Rect[] = [];
  constructor(lib: Av, spec: Extract<JobSpec, { kind: 'grid' }>) {
    this.#lib = lib;
    this.coder = new Coder(lib, spec.encode);
    const { width, height } = fitBlocks(spec.width, spec.height, spec.encode.maxBlocks);
    this.#canvas = blankFrame(lib, width, height);
    this.cells(spec.cells);
  }

  pictures(index: number, codec: VideoCodec, pictures: readonly CodedPicture[]): boolean {
    const cell = this.#cells[index];
    if (cell === undefined) return true;
    return cell.intake.decode(codec, pictures, frame => {
      cell.newest.unref();
      cell.newest.ref(frame);
      cell.filled = cell.changed = true;
    });
  }

  compose(pts: number, out: CodedPicture[]): void {
    if (!this.#canvas.isWritable) this.#canvas.makeWritable();
    for (const [i, cell] of this.#cells.entries()) if (cell.changed) this.#draw(cell, this.#rects[i] as Rect);
    this.coder.encode(this.#canvas, pts, out);
  }

  /** Lays the canvas out anew; cells keep their pictures. */
  cells(count: number): void {
    for (const gone of this.#cells.splice(count)) closeCell(gone);
    while (this.#cells.length < count) this.#cells.push(openCell(this.#lib));
    this.#rects = gridCells(count, this.#canvas);
    if (!this.#canvas.isWritable) this.#canvas.makeWritable();
    fill(this.#canvas, { x: 0, y: 0, width: this.#canvas.width, height: this.#canvas.height });
    for (const cell of this.#cells) {
      cell.shown = undefined;
      cell.changed = cell.filled;
    }
  }

  clear(index: number): void {
    const cell = this.#cells[index];
    if (cell === undefined) return;
    cell.intake.close();
    cell.newest.unref();
    cell.filled = false;
    cell.changed = true;
  }

  close(): void {
    for (const cell of this.#cells.splice(0)) closeCell(cell);
    this.#canvas.free();
    this.coder.close();
  }

  #draw(cell: Cell, box: Rect): void {
    cell.changed = false;
    if (!cell.filled) return fill(this.#canvas, box);
    const at = fitInside(cell.newest, box);
    const scaled = cell.scaler.scale(cell.newest, at.width, at.height);
    if (scaled === undefined) return;
    const { shown } = cell;
    const same = shown?.x === at.x && shown.y === at.y && shown.width === at.width;
    if (!same) fill(this.#canvas, box);
    cell.shown = at;
    blit(scaled, this.#canvas, at);
  }
}

function openCell(lib: Av): Cell {
  const newest = new lib.Frame();
  newest.alloc();
  const intake = new Intake(lib);
  return { intake, scaler: new Scaler(lib), newest, shown: undefined, filled: false, changed: false };
}

function closeCell(cell: Cell): void {
  cell.intake.close();
  cell.scaler.close();
  cell.newest.free();
}

/** The planes of a 4:2:0 picture: luma in full size, chroma in half. */
function eachPlane(
  frame: Frame,
  box: Rect,
  on: (row: (y: number) => number, plane: number, w: number, h: number) => void,
): void {
  for (let plane = 0; plane < 3; plane++) {
    const shift = plane === 0 ? 0 : 1;
    const stride = frame.linesize[plane] as number;
    const start = (box.y >> shift) * stride + (box.x >> shift);
    on(y => start + y * stride, plane, box.width >> shift, box.height >> shift);
  }
}

function fill(canvas: Frame, box: Rect): void {
  const data = canvas.data as Buffer[];
  eachPlane(canvas, box, (row, plane, w, h) => {
    for (let y = 0; y < h; y++) data[plane]?.fill(DARK[plane] as number, row(y), row(y) + w);
  });
}

function blit(from: Frame, canvas: Frame, at: Rect): void {
  const source = from.data as Buffer[];
  const target = canvas.data as Buffer[];
  eachPlane(canvas, at, (row, plane, w, h) => {
    const stride = from.linesize[plane] as number;
    for (let y = 0; y < h; y++)
      (target[plane] as Buffer).set((source[plane] as Buffer).subarray(y * stride, y * stride + w), row(y));
  });
}
