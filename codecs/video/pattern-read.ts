import type { Rect, Size } from './fit.ts';
import {
  block,
  COLOURS,
  COLUMNS,
  colourNames,
  fromBits,
  type PatternColour,
  PLAIN,
  ROWS,
  SYNC,
  toYuv,
  whole,
} from './pattern-code.ts';
import type { Planes } from './pattern-draw.ts';

/** Any raw picture, pixel by pixel as [luma, U, V], BT.601 limited range. */
export interface Pixels extends Size {
  at(x: number, y: number): readonly [number, number, number];
}

export interface PatternSeen {
  readonly colour: PatternColour;
  /** 16 bits. */
  readonly frameNumber: number;
  /** 32 bits of what `next` was given. */
  readonly clockMs: number;
}

export const planesOf = (p: Planes): Pixels => ({
  width: p.width,
  height: p.height,
  at: (x, y) => {
    const chroma = (plane: number): number =>
      p.data[plane]?.[(y >> 1) * (p.strides[plane] as number) + (x >> 1)] ?? 0;
    return [p.data[0]?.[y * (p.strides[0] as number) + x] ?? 0, chroma(1), chroma(2)];
  },
});

/** Bytes in rows without gaps: 3 a pixel (RGB) or 4 (RGBA, of a browser's canvas). */
export const rgbOf = (width: number, height: number, bytes: Uint8Array, bytesPerPixel: 3 | 4): Pixels => ({
  width,
  height,
  at: (x, y) => {
    const i = (y * width + x) * bytesPerPixel;
    return toYuv([bytes[i] ?? 0, bytes[i + 1] ?? 0, bytes[i + 2] ?? 0]);
  },
});

/**
 * What a test pattern shows; it may have been scaled, transcoded, damaged a little. `area`: where it stands in the
 * picture, in pixels, when it does not fill it (a cell of a grid). Undefined: there is none, or it cannot be read.
 */
export function readPattern(picture: Pixels, area: Rect = whole(picture)): PatternSeen | undefined {
  const lumas = Array.from({ length: COLUMNS * ROWS }, (_, i) => mean(picture, block(i, area), 0.5)[0]);
  const sync = lumas.slice(0, 8);
  const low = Math.max(...sync.filter((_, i) => (SYNC & (0x80 >> i)) === 0));
  const high = Math.min(...sync.filter((_, i) => (SYNC & (0x80 >> i)) !== 0));
  if (high - low < 30) return undefined;
  const read = fromBits(lumas.map(luma => luma > (low + high) / 2));
  return read && { ...read, colour: colourOf(picture, area) };
}

function colourOf(picture: Pixels, area: Rect): PatternColour {
  const plain = {
    x: area.x + area.width * PLAIN.left,
    y: area.y + area.height * PLAIN.top,
    width: area.width * PLAIN.width,
    height: area.height * PLAIN.height,
  };
  const [, u, v] = mean(picture, plain, 0.8);
  const distance = (name: PatternColour): number => {
    const [, cu, cv] = toYuv(COLOURS[name]);
    return (cu - u) ** 2 + (cv - v) ** 2;
  };
  return colourNames.reduce((best, name) => (distance(name) < distance(best) ? name : best));
}

/** Mean of some points, evenly spread over the middle `share` of a rectangle. */
function mean(picture: Pixels, r: Rect, share: number): [number, number, number] {
  const sum: [number, number, number] = [0, 0, 0];
  for (let row = 0; row < POINTS; row++)
    for (let column = 0; column < POINTS; column++) {
      const place = (n: number): number => (1 - share) / 2 + (share * (n + 0.5)) / POINTS;
      const x = Math.floor(r.x + r.width * place(column));
      const y = Math.floor(r.y + r.height * place(row));
      const [luma, u, v] = picture.at(x, y);
      sum[0] += luma;
      sum[1] += u;
      sum[2] += v;
    }
  return sum.map(n => n / POINTS ** 2) as [number, number, number];
}

const POINTS = 6;
