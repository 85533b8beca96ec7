import type { Impairment } from '../../../src/kit/impairment.ts';
import { quantile, runAudio } from './audio.ts';
import type { Cell } from './rows.ts';
import type { Speech } from './speech.ts';

const BUDGET_MS = 100;
/** What is held against the limit is the mean of so many seconds; the first of them do not count. */
const WINDOW_S = 10;
const SECONDS = 50;
const FRAME_BYTES = 60;

/** 24 kbit/s without a codec: what is measured is how much is sent. */
const SOUND: Speech = {
  frames: Array.from({ length: 250 }, (_, n) => Buffer.alloc(FRAME_BYTES, n)),
  levels: Array.from({ length: 250 }, () => 20),
  bps: FRAME_BYTES * 8 * 50,
};

const impairmentOf = ({ capBps, loss, shape }: Cell): Impairment => ({
  loss,
  rateBps: capBps,
  ...(shape === 'queue' ? { queueMs: 300 } : { queueMs: 100, policed: true }),
});

export interface CellResult {
  readonly policy: string;
  /** Sent once the first seconds were over, and the most in any window, bit/s. */
  readonly meanBps: number;
  readonly mostBps: number;
  readonly residual: number;
  /** Share of the datagrams that the limit took. */
  readonly dropped: number;
  /** What 19 of 20 frames that came waited at most, ms. */
  readonly waitMs: number;
}

/** One cell of the grid, from a session's first packet on. */
export function runCell(cell: Cell, seed: number): CellResult {
  const got = runAudio(
    {
      seed,
      paths: 1,
      budgetMs: BUDGET_MS,
      impairment: impairmentOf(cell),
      warmUpMs: WINDOW_S * 1000,
      measureMs: (SECONDS - WINDOW_S) * 1000,
    },
    SOUND,
  );
  const bps = got.bySecondBps.slice(WINDOW_S, SECONDS);
  const windows = bps.slice(WINDOW_S - 1).map((_, i) => mean(bps.slice(i, i + WINDOW_S)));
  return {
    policy: got.policy,
    meanBps: mean(bps),
    mostBps: Math.max(...windows),
    residual: got.residual,
    dropped: got.dropped,
    waitMs: quantile(
      got.lateMs.filter(l => l !== undefined),
      0.95,
    ),
  };
}

const mean = (all: readonly number[]): number => all.reduce((sum, n) => sum + n, 0) / all.length;
