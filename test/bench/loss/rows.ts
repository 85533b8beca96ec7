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

export const ROWS: readonly Row[] = [
  {
    what: '30 % independent',
    impairment: { loss: 0.3 },
    paths: 1,
    budgetMs: 100,
    table: { kbps: 178, residual: 0.0003 },
  },
  {
    what: '50 % independent',
    impairment: { loss: 0.5 },
    paths: 1,
    budgetMs: 100,
    table: { kbps: 356, residual: 0.0001 },
  },
  {
    what: '70 % independent',
    impairment: { loss: 0.7 },
    paths: 1,
    budgetMs: 100,
    table: { kbps: 534, residual: 0.0016 },
  },
  {
    what: '80 % independent',
    impairment: { loss: 0.8 },
    paths: 1,
    budgetMs: 100,
    table: { kbps: 712, residual: 0.0043 },
  },
  {
    what: '30 % in 80 ms bursts, two paths',
    impairment: { loss: 0.3, burst },
    paths: 2,
    budgetMs: 100,
    table: { kbps: 356, residual: 0.009 },
  },
  {
    what: '30 % in 80 ms bursts, one path',
    impairment: { loss: 0.3, burst },
    paths: 1,
    budgetMs: 320,
    table: { kbps: 204, residual: 0.014 },
  },
  {
    what: '50 % in 80 ms bursts, two paths',
    impairment: { loss: 0.5, burst },
    paths: 2,
    budgetMs: 100,
    table: { kbps: 356, residual: 0.029 },
  },
  {
    what: '50 % in 80 ms bursts, one path',
    impairment: { loss: 0.5, burst },
    paths: 1,
    budgetMs: 320,
    table: { kbps: 204, residual: 0.043 },
  },
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
