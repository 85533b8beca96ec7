import type { RateChange, Side } from './rate-change.ts';

/** Rates a line may be limited to: from the least, each so much above the one before. */
const LEAST_BPS = 24_000;
const RATIO = 1.1;
const CAPS = Array.from({ length: 60 }, (_, i) => LEAST_BPS * RATIO ** i);
/** Of one change at most, for or against; and of all. Natural logarithms of likelihood ratios. */
const MOST_OF_ONE = 8;
const MOST = 12;
/** So much for a limit is believed, so much against all of them clears. */
const SURE = 5;
const CLEARED = 2;
/** What is that near to the most likely is as likely. */
const AS_LIKELY = 0.5;
/** Against a limit evidence fades slowly: should it appear, what answers its loss is a change of rate. */
const FADES_S = { for: 30, against: 120 };
/**
 * Is loss congestion or noise? For each rate the line may be limited to: how much likelier what arrived on both sides of the
 * changes of rate is if a line takes that much and drops the rest, than if all that is lost is noise. What is lost besides is
 * unknown, and the same on both sides of one change, not of all. After the idea of a loss-limited bandwidth beside an
 * inherent loss, but local in time: noise comes and goes.
 */
export class LossJudge {
  readonly #settled = new Float64Array(CAPS.length);
  readonly #total = new Float64Array(CAPS.length);

  /** `over`: changes told of completely, each once; `current`: what is known of the last. `memory`: how much longer evidence for a limit is kept. */
  update(over: readonly RateChange[], current: RateChange | undefined, elapsedS: number, memory = 1): void {
    const kept = Math.exp(-elapsedS / (FADES_S.for * memory));
    const keptAgainst = Math.exp(-elapsedS / FADES_S.against);
    const news = over.map(evidenceOf);
    const soFar = current && evidenceOf(current);
    for (let i = 0; i < CAPS.length; i++) {
      let e = this.#settled[i]!;
      e *= e > 0 ? kept : keptAgainst;
      for (const evidence of news) e += evidence[i]!;
      e = Math.min(MOST, Math.max(-MOST, e));
      this.#settled[i] = e;
      this.#total[i] = soFar ? Math.min(MOST, e + soFar[i]!) : e;
    }
  }

  /** The evidence for the likeliest limit. */
  get most(): number {
    return this.#total.reduce((a, b) => Math.max(a, b), 0);
  }
  get isSure(): boolean {
    return this.most >= SURE;
  }

  /** The middle of the likeliest limits, bit/s. */
  get limitBps(): number {
    const least = this.most - AS_LIKELY;
    const isLikely = (e: number): boolean => e >= least;
    return Math.sqrt(CAPS[this.#total.findIndex(isLikely)]! * CAPS[this.#total.findLastIndex(isLikely)]!);
  }

  /** There is no limit below `bps`: a higher one, or none, is clearly likelier. */
  isClear(bps: number): boolean {
    let [below, above] = [Number.NEGATIVE_INFINITY, 0];
    for (let i = 0; i < CAPS.length; i++)
      if (CAPS[i]! < bps) below = Math.max(below, this.#total[i]!);
      else above = Math.max(above, this.#total[i]!);
    return below < above - CLEARED;
  }
}

function evidenceOf(c: RateChange): Float64Array {
  const noise = surprise(c, 1);
  return Float64Array.from(CAPS, cap => {
    // A line does not pass more than it takes.
    if (cap < 0.85 * Math.max(arrivedBps(c.low), arrivedBps(c.high))) return -MOST_OF_ONE;
    const ratio = Math.min(1, cap / c.high.bps) / Math.min(1, cap / c.low.bps);
    return ratio === 1 ? 0 : Math.min(MOST_OF_ONE, Math.max(-MOST_OF_ONE, noise - surprise(c, ratio)));
  });
}

const arrivedBps = (s: Side): number => (s.bps * s.arrived) / s.packets;

/** Half the square of the standard deviations by which what arrived differs from: of the high rate `ratio` of the low one's share. */
function surprise({ low, high, clustering }: RateChange, ratio: number): number {
  const share = Math.min(
    0.998,
    (low.arrived + high.arrived + 0.5) / (low.packets + ratio * high.packets + 1),
  );
  const off = high.arrived / high.packets - (ratio * low.arrived) / low.packets;
  const variance =
    (ratio * share * (1 - ratio * share)) / high.packets + (ratio ** 2 * share * (1 - share)) / low.packets;
  return off ** 2 / (2 * clustering * variance);
}
