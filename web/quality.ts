/** How good a connection is, from what was measured. Pure. */
export type Grade = 'good' | 'fair' | 'poor';

/** Of the last few seconds; what is absent was not measured. */
export interface Measured {
  readonly lossPercent?: number;
  readonly jitterMs?: number;
  readonly rttMs?: number;
  /** Times a picture stood still. */
  readonly freezes?: number;
}

export interface Quality {
  readonly grade: Grade;
  readonly measured: Measured;
}

/** From here on a figure is fair, and poor. */
const LIMITS: Readonly<Record<keyof Measured, readonly [number, number]>> = {
  lossPercent: [2, 8],
  jitterMs: [30, 80],
  rttMs: [250, 500],
  freezes: [1, 3],
};

export function judge(measured: Measured): Quality {
  let worst = 0;
  for (const [what, [fair, poor]] of Object.entries(LIMITS)) {
    const value = measured[what as keyof Measured] ?? 0;
    worst = Math.max(worst, value >= poor ? 2 : value >= fair ? 1 : 0);
  }
  return { grade: (['good', 'fair', 'poor'] as const)[worst] as Grade, measured };
}

/** The worse of two, figure by figure. */
export function worse(a: Measured, b: Measured): Measured {
  const both: { -readonly [K in keyof Measured]: number } = { ...a };
  for (const [what, value] of Object.entries(b) as [keyof Measured, number][])
    both[what] = Math.max(both[what] ?? 0, value);
  return both;
}
