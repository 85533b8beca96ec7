/** Where everything stands in the test pattern, and the bits burned into it: what drawing and reading agree on. */
import type { Rect, Size } from './fit.ts';

/** Backgrounds far enough apart in chroma to be told after any transcoding: [red, green, blue]. */
export const COLOURS = {
  red: [190, 40, 40],
  orange: [205, 120, 20],
  yellow: [180, 180, 30],
  green: [30, 150, 40],
  cyan: [30, 165, 170],
  blue: [50, 70, 205],
  magenta: [185, 50, 180],
  grey: [120, 120, 120],
} as const;
export type PatternColour = keyof typeof COLOURS;
export const colourNames = Object.keys(COLOURS) as readonly PatternColour[];

/** BT.601, limited range: what video without a word about it is taken for. */
export function toYuv([r, g, b]: readonly [number, number, number]): [number, number, number] {
  return [
    Math.round(16 + 0.257 * r + 0.504 * g + 0.098 * b),
    Math.round(128 - 0.148 * r - 0.291 * g + 0.439 * b),
    Math.round(128 + 0.439 * r - 0.368 * g - 0.071 * b),
  ];
}

export const COLUMNS = 16;
export const ROWS = 4;
/** First eight bits: what threshold and orientation are taken from. */
export const SYNC = 0b1011_0010;
const SYNC_BITS = 8;

/** Shares of width and height. */
const CODE = { left: 0.05, top: 0.36, width: 0.9, height: 0.36 };
export const TEXT = { left: 0.05, top: 0.06, width: 0.9, height: 0.22 };
/** Where a bar runs from left to right, for people to see that it moves. */
export const TRACK = { top: 0.86, height: 0.1 };
/** Background only: where the colour is read. */
export const PLAIN = { left: 0.1, top: 0.75, width: 0.8, height: 0.08 };

/** Block `i` (0 … 63), in pixels of a pattern that fills `area`. */
export function block(i: number, area: Rect): Rect {
  const width = (area.width * CODE.width) / COLUMNS;
  const height = (area.height * CODE.height) / ROWS;
  return {
    x: area.x + area.width * CODE.left + (i % COLUMNS) * width,
    y: area.y + area.height * CODE.top + Math.floor(i / COLUMNS) * height,
    width,
    height,
  };
}

export const whole = ({ width, height }: Size): Rect => ({ x: 0, y: 0, width, height });

/** Sync 8, frame number 16, clock 32, checksum 8: 64 bits, most significant first. */
export function toBits(frameNumber: number, clockMs: number): boolean[] {
  const bits: boolean[] = [];
  const add = (value: number, count: number): void => {
    for (let i = count - 1; i >= 0; i--) bits.push(Math.floor(value / 2 ** i) % 2 === 1);
  };
  add(SYNC, SYNC_BITS);
  add(frameNumber, 16);
  add(clockMs, 32);
  add(checksum(bits), 8);
  return bits;
}

/** Undefined when sync or checksum are wrong. */
export function fromBits(bits: readonly boolean[]): { frameNumber: number; clockMs: number } | undefined {
  const take = (from: number, count: number): number =>
    bits.slice(from, from + count).reduce((n, bit) => n * 2 + (bit ? 1 : 0), 0);
  if (take(0, SYNC_BITS) !== SYNC || take(56, 8) !== checksum(bits.slice(0, 56))) return undefined;
  return { frameNumber: take(8, 16), clockMs: take(24, 32) };
}

/** CRC-8 with polynomial x⁸ + x² + x + 1. */
function checksum(bits: readonly boolean[]): number {
  let crc = 0;
  for (const bit of bits) {
    const out = ((crc >> 7) & 1) !== (bit ? 1 : 0);
    crc = ((crc << 1) & 255) ^ (out ? 7 : 0);
  }
  return crc;
}
