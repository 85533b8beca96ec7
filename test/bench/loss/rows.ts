import type { Impairment } from '../../../src/kit/impairment.ts';

/** One line of the loss table of docs/artp.md: what simulation said is reachable. */
export interface Row {
  readonly what: string;
  readonly impairment: Impairment;
  readonly paths: 1 | 2;
  readonly budgetMs: number;
  readonly table: { readonly kbps: number; readonly residual: number };
}

const burst = { ms: 80 } as const;
/** Playout that waits long enough to look past a burst. */
const LONG_MS = 320;

const row = (
  what: string,
  impairment: Impairment,
  kbps: number,
  residual: number,
  { paths = 1, budgetMs = 100 }: Partial<Pick<Row, 'paths' | 'budgetMs'>> = {},
): Row => ({ what, impairment, paths, budgetMs, table: { kbps, residual } });

export const ROWS: readonly Row[] = [
  row('30 % independent', { loss: 0.3 }, 178, 0.0003),
  row('50 % independent', { loss: 0.5 }, 356, 0.0001),
  row('70 % independent', { loss: 0.7 }, 534, 0.0016),
  row('80 % independent', { loss: 0.8 }, 712, 0.0043),
  row('30 % in 80 ms bursts, two paths', { loss: 0.3, burst }, 356, 0.009, { paths: 2 }),
  row('30 % in 80 ms bursts, one path', { loss: 0.3, burst }, 204, 0.014, { budgetMs: LONG_MS }),
  row('50 % in 80 ms bursts, two paths', { loss: 0.5, burst }, 356, 0.029, { paths: 2 }),
  row('50 % in 80 ms bursts, one path', { loss: 0.5, burst }, 204, 0.043, { budgetMs: LONG_MS }),
];

export const SEEDS: readonly number[] = [1, 2, 3];

/** What a row is held to: 20 % more than the table's rate; 1.5 % where it says 1 % or less, else 2 points more. */
export const boundsOf = ({ table }: Row) => ({
  bps: table.kbps * 1200,
  residual: table.residual <= 0.01 ? 0.015 : table.residual + 0.02,
});

/** A link that takes less than is spent on half its packets being lost: first without the limit, then with it. */
export const CAPPED = {
  before: { loss: 0.5 },
  changed: { loss: 0.1, rateBps: 200_000, queueMs: 300 },
  budgetMs: 100,
  /** Nothing drowns: what does not fit is not sent, and nothing waits long in the queue. */
  bounds: { bps: 200_000, dropped: 0.01, waitMs: 100, residual: 0.03 },
} as const;

/** The same limit, and next to no queue before it: nothing waits longer, what is too much is lost. */
export const POLICED = {
  ...CAPPED,
  changed: { loss: 0.1, rateBps: 200_000, queueMs: 10 },
  bounds: { bps: 200_000, dropped: 0.03, waitMs: 20, residual: 0.03 },
} as const;

/**
 * A line that takes less than redundancy would, and loses packets besides: a queue, or a policer, which delays nothing and
 * drops what is too much. Loss both ways. These were the worst of 64, 120, 200, 300 and 500 kbit/s by 0, 5, 10, 30 and 50 %.
 */
export interface Cell {
  readonly capBps: number;
  readonly loss: number;
  readonly shape: 'queue' | 'policer';
}

export const CELLS: readonly Cell[] = [
  { shape: 'queue', capBps: 64_000, loss: 0.5 },
  { shape: 'policer', capBps: 64_000, loss: 0.1 },
  { shape: 'policer', capBps: 64_000, loss: 0.3 },
  { shape: 'policer', capBps: 64_000, loss: 0.5 },
  { shape: 'policer', capBps: 120_000, loss: 0.1 },
  { shape: 'policer', capBps: 120_000, loss: 0.3 },
  { shape: 'policer', capBps: 120_000, loss: 0.5 },
  { shape: 'policer', capBps: 200_000, loss: 0.5 },
];

/**
 * Of the limit: the mean of what is sent once the first 10 s are over, and the most in any 10 s after them. A limit is
 * looked for, and later doubted, by sending more or less for a second; the few packets of a thin stream tell it slowly.
 */
export const CELL_BOUNDS = { mean: 1.2, most: 2.5 } as const;

/** 640×480, 15 pictures a second, two temporal layers, 300 kbit/s. */
export interface VideoRow {
  readonly what: string;
  readonly impairment: Impairment;
  readonly paths: 1 | 2;
  /** One way. */
  readonly delayMs: number;
  /** Playout delay beyond the delay of the link. */
  readonly budgetMs: number;
  readonly bounds: { readonly bps: number; readonly incomplete: number; readonly incompleteBase: number };
}

export const VIDEO_ROWS: readonly VideoRow[] = [
  {
    what: '10 %, round trip 100 ms',
    impairment: { loss: 0.1 },
    paths: 1,
    delayMs: 50,
    budgetMs: 300,
    bounds: { bps: 600_000, incomplete: 0.02, incompleteBase: 0.01 },
  },
  {
    what: '30 %, round trip 300 ms',
    impairment: { loss: 0.3 },
    paths: 1,
    delayMs: 150,
    budgetMs: 700,
    bounds: { bps: 1_320_000, incomplete: 0.05, incompleteBase: 0.02 },
  },
  {
    what: '50 %, round trip 100 ms',
    impairment: { loss: 0.5 },
    paths: 1,
    delayMs: 50,
    budgetMs: 700,
    bounds: { bps: 1_800_000, incomplete: 0.1, incompleteBase: 0.05 },
  },
];
