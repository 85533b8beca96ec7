import type { Millis } from '../kit/core.ts';
import type { ProbedPath } from './probed-path.ts';

/** As many as a path remembers. */
const PROBES = 256;

/** What became of the last probes of a path, in order; those still open are left out. */
export interface PathFates {
  /** ms. */
  readonly sentAt: Float64Array;
  /** 1 lost, 0 arrived. */
  readonly lost: Uint8Array;
}

export function fatesOf(path: ProbedPath, next: number, now: Millis): PathFates {
  const sentAt: number[] = [];
  const lost: number[] = [];
  for (let number = Math.max(0, next - PROBES); number < next; number++) {
    const fate = path.fate(number, now);
    if (fate === undefined || fate === 'open') continue;
    sentAt.push(path.sentAt(number));
    lost.push(fate === 'lost' ? 1 : 0);
  }
  return { sentAt: Float64Array.from(sentAt), lost: Uint8Array.from(lost) };
}

/** 0 to 1. */
export function lossOf({ lost }: PathFates): number {
  let all = 0;
  for (const bit of lost) all += bit;
  return lost.length === 0 ? 0 : all / lost.length;
}

/**
 * How much two paths lose the same probes: the correlation of their bitmaps, −1 to 1. Probes of one number leave
 * together by all paths, so the bitmaps lie on each other. Where little was lost, little is known: half a probe's worth
 * of variance is added to each, which draws the result to 0.
 */
export function correlation(a: ProbedPath, b: ProbedPath, next: number, now: Millis): number {
  let [probes, lostA, lostB, both] = [0, 0, 0, 0];
  for (let number = Math.max(0, next - PROBES); number < next; number++) {
    const [x, y] = [a.fate(number, now), b.fate(number, now)];
    if (x === undefined || y === undefined || x === 'open' || y === 'open') continue;
    probes++;
    if (x === 'lost') lostA++;
    if (y === 'lost') lostB++;
    if (x === 'lost' && y === 'lost') both++;
  }
  if (probes === 0) return 0;
  const variance = (lost: number): number => (lost / probes) * (1 - lost / probes) + 0.5 / probes;
  return (both / probes - (lostA / probes) * (lostB / probes)) / Math.sqrt(variance(lostA) * variance(lostB));
}
