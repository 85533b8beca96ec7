import type { Rect, Size } from './fit.ts';
import { block, COLOURS, type PatternColour, TEXT, TRACK, toBits, toYuv, whole } from './pattern-code.ts';

/** A 4:2:0 picture: planes and the bytes of a row of each. */
export interface Planes extends Size {
  readonly data: readonly Uint8Array[];
  readonly strides: readonly number[];
}

const BLACK = 16;
const WHITE = 235;

/** Draws the whole pattern: background, clock and frame number in digits and in blocks, a running bar. */
export function drawPattern(p: Planes, colour: PatternColour, frameNumber: number, clockMs: number): void {
  const [y, u, v] = toYuv(COLOURS[colour]);
  const values = [y, u, v];
  for (const [i, plane] of p.data.entries()) plane.fill(values[i] as number);
  toBits(frameNumber % 0x10000, clockMs % 0x1_0000_0000).forEach((bit, i) => {
    paint(p, block(i, whole(p)), bit ? WHITE : BLACK);
  });
  const text = `${clockText(clockMs)}  ${String(frameNumber % 0x10000).padStart(5, '0')}`;
  drawText(p, text);
  drawBar(p, frameNumber);
}

/** A block in black or white: grey in chroma. */
function paint(p: Planes, r: Rect, luma: number): void {
  fillPlane(p, 0, r, 1, luma);
  fillPlane(p, 1, r, 2, 128);
  fillPlane(p, 2, r, 2, 128);
}

function fillPlane(p: Planes, plane: number, r: Rect, step: number, value: number): void {
  const stride = p.strides[plane] as number;
  const left = Math.round(r.x / step);
  const right = Math.round((r.x + r.width) / step);
  const bottom = Math.round((r.y + r.height) / step);
  for (let y = Math.round(r.y / step); y < bottom; y++)
    p.data[plane]?.fill(value, y * stride + left, y * stride + right);
}

/** One run from left to right in two seconds of 30 pictures. */
function drawBar(p: Planes, frameNumber: number): void {
  const width = p.width / 12;
  const x = ((frameNumber % 60) / 60) * (p.width - width);
  paint(p, { x, y: p.height * TRACK.top, width, height: p.height * TRACK.height }, WHITE);
}

/** `hh:mm:ss.mmm` of a day. */
function clockText(ms: number): string {
  const two = (n: number, digits = 2): string => String(Math.floor(n)).padStart(digits, '0');
  const day = ms % 86_400_000;
  return `${two(day / 3_600_000)}:${two((day / 60_000) % 60)}:${two((day / 1000) % 60)}.${two(day % 1000, 3)}`;
}

/** Three columns and five rows a character, top to bottom, three bits a row. */
const FONT: Readonly<Record<string, readonly number[]>> = {
  '0': [7, 5, 5, 5, 7],
  '1': [2, 6, 2, 2, 7],
  '2': [7, 1, 7, 4, 7],
  '3': [7, 1, 7, 1, 7],
  '4': [5, 5, 7, 1, 1],
  '5': [7, 4, 7, 1, 7],
  '6': [7, 4, 7, 5, 7],
  '7': [7, 1, 1, 2, 2],
  '8': [7, 5, 7, 5, 7],
  '9': [7, 5, 7, 1, 7],
  ':': [0, 2, 0, 2, 0],
  '.': [0, 0, 0, 0, 2],
};

function drawText(p: Planes, text: string): void {
  const dot = Math.min((p.width * TEXT.width) / (text.length * 4), (p.height * TEXT.height) / 5);
  [...text].forEach((character, column) => {
    FONT[character]?.forEach((row, y) => {
      for (let x = 0; x < 3; x++) {
        if ((row & (4 >> x)) === 0) continue;
        const left = p.width * TEXT.left + (column * 4 + x) * dot;
        paint(p, { x: left, y: p.height * TEXT.top + y * dot, width: dot, height: dot }, WHITE);
      }
    });
  });
}
