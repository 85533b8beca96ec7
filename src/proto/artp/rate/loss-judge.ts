import { bpsOf, lossOf, type Slices, type Sums } from './slices.ts';

/** A change of rate worth comparing across. */
const STEP = 1.25;
/** Rates are judged over so many slices. */
const SMOOTH = 3;
/** How far back a change may lie, slices. */
const BACK = 30;
/** Packets needed on both sides of the change; the older side ends with that many, for noise changes too. */
const LEAST_PACKETS = 20;
/** More than chance: so many standard deviations, and never less than this share. */
const SIGMAS = 4;
const WORTH = 0.08;

export interface Comparison {
  /** Slice at which the rate changed: names the change. */
  readonly at: number;
  readonly up: boolean;
  /** `grows`: more was lost where more was sent. `flat`: it made no difference. */
  readonly verdict: 'grows' | 'flat';
  /** Share lost at the lower and at the higher rate. */
  readonly lossLow: number;
  readonly lossHigh: number;
}

/**
 * Is loss congestion or noise? The last change of the sending rate was an experiment: noise takes the same share on both
 * sides of it, a full line takes more of more. `end`: first slice not yet told of completely. Undefined when nothing
 * changed lately, or too few packets tell. Pure.
 */
export function compareRates(slices: Slices, end: number): Comparison | undefined {
  const rateAt = (to: number): number => bpsOf(slices.sum(to - SMOOTH, to).bytes, SMOOTH);
  const nowBps = rateAt(end);
  if (nowBps === 0) return undefined;
  let at = end - SMOOTH;
  let beforeBps = 0;
  for (; ; at--) {
    if (at < end - BACK) return undefined;
    beforeBps = rateAt(at);
    if (beforeBps === 0) return undefined;
    if (beforeBps > nowBps * STEP || beforeBps < nowBps / STEP) break;
  }
  const after = slices.sum(at, end);
  const before = lastPackets(slices, at, end - BACK);
  if (after.packets < LEAST_PACKETS || before.packets < LEAST_PACKETS) return undefined;
  const up = beforeBps < nowBps;
  const [low, high] = up ? [before, after] : [after, before];
  const all = 1 - (low.arrivedPackets + high.arrivedPackets) / (low.packets + high.packets);
  const chance = all * (1 - all) * (1 / low.packets + 1 / high.packets);
  const deviation = Math.sqrt(chance * clustering(slices.sum(end - 2 * BACK, end)));
  const [lossLow, lossHigh] = [lossOf(low), lossOf(high)];
  const grows = lossHigh - lossLow > Math.max(WORTH, SIGMAS * deviation);
  return { at, up, verdict: grows ? 'grows' : 'flat', lossLow, lossHigh };
}

/** The slices just before `to` that hold enough packets. */
function lastPackets(slices: Slices, to: number, least: number): Sums {
  for (let from = to - SMOOTH; ; from--) {
    const s = slices.sum(from, to);
    if (s.packets >= LEAST_PACKETS || from <= least) return s;
  }
}

/**
 * Losses in rows say less than as many single ones: how much larger the variance of their share is. Of a Markov chain with
 * correlation ρ from packet to packet it is (1 + ρ) / (1 − ρ), and the mean row is 1 / ((1 − loss) (1 − ρ)).
 */
function clustering(s: Sums): number {
  const lost = s.packets - s.arrivedPackets;
  return s.bursts === 0 ? 1 : Math.max(1, (2 * lost * (1 - lossOf(s))) / s.bursts - 1);
}
