/** Sizes of pictures and where they go. Pure. */

export interface Size {
  readonly width: number;
  readonly height: number;
}

export interface Rect extends Size {
  readonly x: number;
  readonly y: number;
}

/** Blocks of 16×16 that a picture takes. */
export const macroblocks = (width: number, height: number): number =>
  Math.ceil(width / 16) * Math.ceil(height / 16);

const even = (n: number): number => Math.max(16, Math.floor(n / 2) * 2);

/**
 * The largest even size of the same shape with at most `maxBlocks` macroblocks and no side longer than
 * √(8 · maxBlocks) of them (H.264 §A.3.1); never larger than the picture itself.
 */
export function fitBlocks(width: number, height: number, maxBlocks: number): Size {
  const maxSide = Math.floor(Math.sqrt(8 * maxBlocks)) * 16;
  let scale = Math.min(1, maxSide / width, maxSide / height, Math.sqrt((maxBlocks * 256) / (width * height)));
  for (;;) {
    const size = { width: even(width * scale), height: even(height * scale) };
    const smallest = size.width === 16 && size.height === 16;
    if (smallest || macroblocks(size.width, size.height) <= maxBlocks) return size;
    scale *= 0.995; // rounding up to whole blocks
  }
}

/** The largest even rectangle of this shape inside `box`, in its middle. */
export function fitInside(picture: Size, box: Rect): Rect {
  const scale = Math.min(box.width / picture.width, box.height / picture.height);
  const width = Math.min(box.width, even(picture.width * scale));
  const height = Math.min(box.height, even(picture.height * scale));
  const middle = (room: number): number => Math.floor(room / 4) * 2;
  return { x: box.x + middle(box.width - width), y: box.y + middle(box.height - height), width, height };
}

/** Columns and rows of a grid of this many cells. */
const SHAPES: readonly (readonly [number, number])[] = [
  [1, 1],
  [2, 1],
  [2, 2],
  [2, 2],
  [3, 2],
  [3, 2],
  [3, 3],
  [3, 3],
  [3, 3],
];
export const MAX_CELLS = SHAPES.length;

/** Where the cells of a grid stand on a canvas, row by row; all of one size, even. */
export function gridCells(count: number, canvas: Size): Rect[] {
  const [columns, rows] = SHAPES[Math.min(Math.max(count, 1), MAX_CELLS) - 1] as readonly [number, number];
  const width = Math.floor(canvas.width / columns / 2) * 2;
  const height = Math.floor(canvas.height / rows / 2) * 2;
  return Array.from({ length: count }, (_, i) => ({
    x: (i % columns) * width,
    y: Math.floor(i / columns) * height,
    width,
    height,
  }));
}
