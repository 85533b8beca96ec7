import { choosePolicy } from '../proto/artp/policy/choose.ts';
import { predictedMos } from '../proto/artp/policy/mos.ts';
import type { PathFates } from './fates.ts';

/** How a call would sound over a path, 1 to 4.5, less what the repair of its losses costs. Delay one way, mean jitter, ms. */
export type ScorePath = (fates: PathFates, oneWayMs: number, jitterMs: number) => number;

/** What a call has beside the path between two routers: its members' own networks and their playout, ms one way. */
const ELSEWHERE_MS = 100;
/** The call that is scored. */
const CALL = { media: 'audio', sourceBps: 24_000, packetMs: 20, budgetMs: 100 } as const;
/** Room for any redundancy: what a path takes is found out by the ends. */
const PLENTY_BPS = 1_000_000;
const CLEAN: PathFates = {
  sentAt: Float64Array.from({ length: 500 }, (_, i) => i * CALL.packetMs),
  lost: new Uint8Array(500),
};
/**
 * What each further time the bit rate of the clean call costs, in points. Redundancy makes nearly every loss inaudible:
 * by sound alone a path with 20 % loss would be as good as any, while it takes twice the rate, and pictures suffer.
 */
const RATE_COST = 0.25;

const best = (fates: PathFates, delayMs: number) =>
  choosePolicy({
    ...CALL,
    paths: [{ ...fates, availableBps: PLENTY_BPS, rttMs: 2 * delayMs }],
    rttMs: 2 * delayMs,
    availableBps: PLENTY_BPS,
  });
const CLEAN_BPS = best(CLEAN, ELSEWHERE_MS).bitrateBps;

export const scorePath: ScorePath = (fates, oneWayMs, jitterMs) => {
  // Playout waits for the late ones: twice the mean deviation, as in `quality`.
  const delayMs = ELSEWHERE_MS + oneWayMs + 2 * jitterMs;
  if (!fates.lost.includes(1)) return predictedMos(0, delayMs);
  const { residual, delayMs: repairMs, bitrateBps } = best(fates, delayMs);
  return Math.max(1, predictedMos(residual, delayMs + repairMs) - RATE_COST * (bitrateBps / CLEAN_BPS - 1));
};
