import { cpus, loadavg } from 'node:os';

/** One line of a bench's table. */
export interface Figure {
  readonly what: string;
  readonly value: number;
  readonly unit: string;
  /** Measured in the same run, in the same unit: the ratio is `value / baseline`. */
  readonly baseline?: number;
  /** What the figure should be: `≤ 2.0×`. */
  readonly goal?: string;
}

export interface BenchOptions {
  /** How long the steady part of a bench over time lasts. */
  readonly minutes: number;
  /** Something took a while: told on the terminal, not part of the result. */
  readonly note: (text: string) => void;
}

export interface Bench {
  readonly name: string;
  /** What is measured, and what the baseline is. */
  readonly about: string;
  run(o: BenchOptions): Promise<readonly Figure[]>;
}

/** The middle one; NaN of none. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? Number.NaN;
}

/** CPU time of this process since `before`, µs. */
function cpuSince(before: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(before);
  return user + system;
}

/** `run` is called this often between two looks at the clock. */
const LOT = 500;
const LOTS = 40;
const WARM_UP_LOTS = 4;
/** How often `cpuOf` calls each in all. */
export const CALLS = LOT * (LOTS + WARM_UP_LOTS);

/**
 * CPU time of one call of each, µs, by name. Lots of all of them take turns and the median of each is told, so that a
 * neighbour on the machine hits all alike. The first lots warm up and do not count.
 */
export function cpuOf<Name extends string>(runs: Readonly<Record<Name, () => void>>): Record<Name, number> {
  const lots = Object.fromEntries(Object.keys(runs).map(name => [name, []])) as unknown as Record<
    Name,
    number[]
  >;
  for (let lot = -WARM_UP_LOTS; lot < LOTS; lot++)
    for (const name of Object.keys(runs) as Name[]) {
      const run = runs[name];
      const before = process.cpuUsage();
      for (let i = 0; i < LOT; i++) run();
      const spent = cpuSince(before) / LOT;
      if (lot >= 0) lots[name].push(spent);
    }
  return Object.fromEntries(Object.keys(runs).map(name => [name, median(lots[name as Name])])) as Record<
    Name,
    number
  >;
}

/** The machine, and how busy others keep it: figures mean little without. */
export function machine(): string {
  const model = cpus()[0]?.model ?? 'unknown CPU';
  const load = loadavg().map(l => l.toFixed(1));
  return `${cpus().length} × ${model}, Node ${process.version}, load ${load.join(' ')}`;
}

/** A table of one bench; columns: figure, baseline, ratio, goal. */
export function table(bench: Bench, figures: readonly Figure[]): string {
  const rows = figures.map(f => [
    f.what,
    `${round(f.value)} ${f.unit}`,
    f.baseline === undefined ? '' : `${round(f.baseline)} ${f.unit}`,
    f.baseline === undefined ? '' : `${(f.value / f.baseline).toFixed(2)}×`,
    f.goal ?? '',
  ]);
  const all = [['', 'figure', 'baseline', 'ratio', 'goal'], ...rows];
  const widths = all[0]!.map((_, column) => Math.max(...all.map(row => row[column]!.length)));
  const lines = all.map(row =>
    row
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!)))
      .join('  ')
      .trimEnd(),
  );
  return [`${bench.name}: ${bench.about}`, ...lines.map(line => `  ${line}`)].join('\n');
}

/** Three digits that mean something. */
const round = (value: number): string =>
  Math.abs(value) >= 100 ? value.toFixed(0) : Math.abs(value) >= 10 ? value.toFixed(1) : value.toFixed(2);
