import type { Millis } from '../../../kit/core.ts';

/** Loss below this is not worth it. */
const LEAST_LOSS = 0.04;
/** It must be doubtful for so long; then less is sent until it is not, but no longer than this. */
const DOUBTFUL_MS = 2000;
const LEAST_MS = 300;
const MOST_MS = 1600;
/** Of what is sent: where more is lost it takes a larger step to see anything. */
const SHARES = [
  { loss: 0.88, share: 0.12 },
  { loss: 0.7, share: 0.3 },
  { loss: 0, share: 0.5 },
] as const;
/** So much is hardly ever noise, and nothing helps against it. */
const HOPELESS = 0.88;
/** Of a limit that is not sure any more. */
const MORE = 2;
const MORE_MS = 1200;
/** Between two trials; so many times as long after each that was in vain, until more is lost of clearly more. */
const PAUSE_MS = 5000;
const LONGER = 3;
const PAUSE_LIMITED_MS = 9000;
const MOST_PAUSE_MS = 480_000;
const CLEARLY = { rate: 1.25, loss: 0.05 };

export interface Doubt {
  readonly sentBps: number;
  readonly loss: number;
  /** A limit is in force. */
  readonly isLimited: boolean;
  /** Nobody knows whether the line takes so much. */
  readonly isDoubtful: boolean;
  /** A limit of which nobody is sure any more. */
  readonly doubtfulLimitBps: number | undefined;
}

/**
 * Sending less for a moment tells whether loss is our own doing, sending more whether a limit is still there: the change
 * and the one back are two experiments. Done only where nobody has compared this rate with another.
 */
export class Trial {
  #doubtfulSince: Millis | undefined;
  #began: Millis = 0;
  #until: Millis = Number.NEGATIVE_INFINITY;
  #pauseMs = PAUSE_MS;
  #bps = 0;
  #isLess = false;
  #tried = { bps: 0, loss: 0 };

  /** What may be sent meanwhile, bit/s; undefined: no trial is on. */
  bps(now: Millis): number | undefined {
    return now < this.#until ? this.#bps : undefined;
  }

  /** The rate in doubt, if less is sent now to see. */
  triedBps(now: Millis): number | undefined {
    return now < this.#until && this.#isLess ? this.#tried.bps : undefined;
  }

  /** One is on, or was so lately. */
  isRecent(now: Millis): boolean {
    return now < this.#until + MOST_MS;
  }

  update(d: Doubt, now: Millis): void {
    if (now < this.#until) {
      if (!d.isDoubtful && this.#isLess && now - this.#began > LEAST_MS) this.#until = now;
      return;
    }
    if (d.doubtfulLimitBps !== undefined && !d.isDoubtful && now - this.#until > PAUSE_LIMITED_MS)
      return this.#begin(d.doubtfulLimitBps * MORE, MORE_MS, false, now);
    if (!d.isDoubtful || d.loss < LEAST_LOSS) {
      this.#doubtfulSince = undefined;
      return;
    }
    this.#doubtfulSince ??= now;
    if (d.isLimited || d.loss > HOPELESS || this.#isNews(d)) this.#pauseMs = PAUSE_MS;
    if (now - this.#until < this.#pauseMs || now - this.#doubtfulSince < DOUBTFUL_MS) return;
    this.#tried = { bps: d.sentBps, loss: d.loss };
    this.#pauseMs = Math.min(MOST_PAUSE_MS, this.#pauseMs * LONGER);
    this.#begin(d.sentBps * SHARES.find(s => d.loss >= s.loss)!.share, MOST_MS, true, now);
  }

  /** Clearly more is sent than when it was last tried, and clearly more of it is lost. */
  #isNews({ sentBps, loss }: Doubt): boolean {
    return sentBps > this.#tried.bps * CLEARLY.rate && loss > this.#tried.loss + CLEARLY.loss;
  }

  #begin(bps: number, ms: number, isLess: boolean, now: Millis): void {
    this.#isLess = isLess;
    this.#doubtfulSince = undefined;
    this.#bps = bps;
    this.#began = now;
    this.#until = now + ms;
  }
}
