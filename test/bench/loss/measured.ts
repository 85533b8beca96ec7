/** What the bench prints and its test holds: all seeds of a row are one long measurement. */
import { type AudioResult, neededMs, quantile, runAudio } from './audio.ts';
import { type CellResult, runCell } from './grid.ts';
import {
  boundsOf,
  type CAPPED,
  CELL_BOUNDS,
  type Cell,
  type POLICED,
  type Row,
  type VideoRow,
} from './rows.ts';
import type { Speech } from './speech.ts';
import { runVideo, type VideoResult } from './video.ts';

export interface Run {
  readonly seeds: readonly number[];
  readonly measureMs: number;
}

/** Which bounds hold, by name. */
type Holds = Readonly<Record<string, boolean>>;

const meanOf =
  <T>(all: readonly T[]) =>
  (of: (t: T) => number): number =>
    all.reduce((sum, t) => sum + of(t), 0) / all.length;

export function measureAudio(row: Row, { seeds, measureMs }: Run, said: Speech) {
  const { impairment, paths, budgetMs } = row;
  const all: AudioResult[] = seeds.map(seed =>
    runAudio({ seed, paths, budgetMs, impairment, measureMs }, said),
  );
  const mean = meanOf(all);
  const bounds = boundsOf(row);
  const [wireBps, residual] = [mean(g => g.wireBps), mean(g => g.residual)];
  const addedMs = neededMs({ lateMs: all.flatMap(g => g.lateMs) }, bounds.residual);
  const holds: Holds = {
    rate: wireBps <= bounds.bps,
    residual: residual <= bounds.residual,
    delay: addedMs <= budgetMs,
  };
  const worst = Math.max(...all.map(g => g.residual));
  return {
    all,
    wireBps,
    residual,
    worst,
    addedMs,
    lost: mean(g => g.lost),
    backBps: mean(g => g.backBps),
    holds,
  };
}

export function measureCapped(row: typeof CAPPED | typeof POLICED, { seeds, measureMs }: Run, said: Speech) {
  const { before, changed, budgetMs, bounds } = row;
  const all = seeds.map(seed =>
    runAudio({ seed, paths: 1, budgetMs, impairment: before, changed, measureMs }, said),
  );
  const mean = meanOf(all);
  // Plain packets come with the delay of the link; what they wait beyond that, they wait in its queue.
  const waitMs = quantile(
    all.flatMap(g => g.lateMs.filter(l => l !== undefined)),
    0.5,
  );
  const [wireBps, residual, dropped] = [mean(g => g.wireBps), mean(g => g.residual), mean(g => g.dropped)];
  const holds: Holds = {
    rate: wireBps <= bounds.bps,
    residual: residual <= bounds.residual,
    drops: dropped <= bounds.dropped,
    queue: waitMs <= bounds.waitMs,
  };
  return { all, wireBps, residual, worst: Math.max(...all.map(g => g.residual)), dropped, waitMs, holds };
}

/** Always 50 s a seed: what is held is how long too much is sent. */
export function measureCell(cell: Cell, { seeds }: Pick<Run, 'seeds'>) {
  const all: CellResult[] = seeds.map(seed => runCell(cell, seed));
  const mean = meanOf(all);
  const [meanBps, mostBps] = [mean(g => g.meanBps), Math.max(...all.map(g => g.mostBps))];
  const holds: Holds = {
    rate: meanBps <= cell.capBps * CELL_BOUNDS.mean,
    'any 10 s': mostBps <= cell.capBps * CELL_BOUNDS.most,
  };
  return {
    all,
    meanBps,
    mostBps,
    residual: mean(g => g.residual),
    dropped: mean(g => g.dropped),
    waitMs: mean(g => g.waitMs),
    holds,
  };
}

export function measureVideo(row: VideoRow, { seeds, measureMs }: Run) {
  const all: VideoResult[] = seeds.map(seed => runVideo(row, seed, measureMs));
  const mean = meanOf(all);
  const [wireBps, incomplete, base] = [
    mean(g => g.wireBps),
    mean(g => g.incomplete),
    mean(g => g.incompleteBase),
  ];
  const holds: Holds = {
    rate: wireBps <= row.bounds.bps,
    frames: incomplete <= row.bounds.incomplete,
    'layer 0': base <= row.bounds.incompleteBase,
  };
  return {
    all,
    wireBps,
    sourceBps: mean(g => g.sourceBps),
    incomplete,
    base,
    worst: Math.max(...all.map(g => g.incomplete)),
    addedMs: Math.max(...all.map(g => g.addedMs)),
    keyframesAsked: all.reduce((sum, g) => sum + g.keyframesAsked, 0),
    holds,
  };
}
