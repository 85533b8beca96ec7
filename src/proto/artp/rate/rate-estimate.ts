import type { Millis } from '../../../kit/core.ts';
import type { Comparison } from './loss-judge.ts';

const LEAST_BPS = 10_000;
const MOST_BPS = 10_000_000;
/** Believed of a path until it shows something else: enough to meet heavy loss in the first second. */
const START_BPS = 1_000_000;
/** Congestion: down to this share of what the line passes. */
const FALL = 0.85;
/** A cut needs a round trip and this long to show. */
const SETTLE_MS = 400;
/** Growth a second before the first congestion, and after one. */
const GROWTH_FRESH = 2;
const GROWTH = 1.08;
/** Congestion is forgotten after so long without; twice as long each time it comes back soon after that. */
const FORGET_MS = 30_000;
const FORGET_MOST_MS = 480_000;
const SOON_MS = 20_000;
/** What was never sent proves nothing: growth ends this far above it. */
const HEADROOM = 2;
const HEADROOM_CUT = 1.25;
const PROVEN = 0.95;
/** A queue that stands without growing: noticed beyond this, and not ours when so many cuts did not shorten it. */
const STANDING_MS = 200;
const CUTS_IN_VAIN = 3;
/** Without a queue worth the name, what is lost is noise. */
const NO_QUEUE_MS = 50;

/** One report's worth of what a path shows. */
export interface Shown {
  readonly sentBps: number;
  /** Of `sentBps`, what arrived. */
  readonly arrivedBps: number;
  readonly loss: number;
  /** The delay grows: a queue is filling. */
  readonly filling: boolean;
  /** What packets wait beyond the least seen lately, ms. */
  readonly queueMs: number;
  /** Time in which packets arrived by the time in which they were sent: above 1 while a queue fills. */
  readonly stretch: number;
  readonly comparison: Comparison | undefined;
  readonly rttMs: number;
}

/**
 * How much a path takes (after draft-ietf-rmcat-gcc-02, but deaf to noise): growing delay cuts, loss that grew with the rate
 * cuts, loss that is flat in the rate never does. Rates are as sent: what noise takes away is counted back in. A cut that
 * changed nothing is taken back. Nothing is sent to probe: redundancy itself is the probe, within HEADROOM of what was sent.
 */
export class RateEstimate {
  bps = START_BPS;
  /** Share lost to noise, as far as known. */
  noise = 0;
  #updatedAt: Millis | undefined;
  #cutAt: Millis = Number.NEGATIVE_INFINITY;
  /** What loss alone cut; 0: the last cut had delay for a witness. */
  #beforeCutBps = 0;
  /** What came through at the last cut, noise not counted back in. */
  #passedBps = 0;
  #forgetMs = FORGET_MS;
  #judged = -1;
  #vainCuts = 0;
  #standingMs = 0;
  #congestedUntil: Millis = Number.NEGATIVE_INFINITY;

  isCongested(now: Millis): boolean {
    return now < this.#congestedUntil;
  }

  update(shown: Shown, now: Millis): void {
    const elapsedS = Math.min(1, (now - (this.#updatedAt ?? now)) / 1000);
    this.#updatedAt = now;
    const settling = now - this.#cutAt < shown.rttMs + SETTLE_MS;
    if (this.#judge(shown, now)) return;
    if (shown.filling || this.#stands(shown, settling)) {
      if (!settling) this.#cut(shown, this.noise, now, 0);
      else this.#congestedUntil = now + SETTLE_MS;
      return;
    }
    if (settling) return;
    if (shown.queueMs < NO_QUEUE_MS) this.noise += (shown.loss - this.noise) * Math.min(1, elapsedS);
    this.#grow(shown, elapsedS, now);
  }

  /** True when the last change of rate spoke, and there is nothing more to do. */
  #judge({ comparison: c, ...shown }: Shown, now: Millis): boolean {
    if (c === undefined || c.at === this.#judged) return false;
    if (c.verdict === 'grows' && c.up) {
      this.#judged = c.at;
      this.#cut({ ...shown, comparison: c }, c.lossLow, now, this.bps);
      return true;
    }
    if (c.verdict === 'flat' && shown.queueMs < NO_QUEUE_MS)
      this.noise = Math.max(this.noise, Math.min(c.lossLow, c.lossHigh));
    // The cut was in vain: as much is lost as before. It was noise that began just then.
    if (
      c.verdict === 'flat' &&
      !c.up &&
      c.lossHigh > 0.02 &&
      this.#beforeCutBps > this.bps &&
      shown.queueMs < STANDING_MS
    ) {
      this.#judged = c.at;
      this.bps = this.#beforeCutBps;
      this.#beforeCutBps = 0;
      this.#cutAt = this.#congestedUntil = Number.NEGATIVE_INFINITY;
      return true;
    }
    return false;
  }

  /** A full queue whose delay does not grow any more: its overflow looks like noise. */
  #stands({ queueMs }: Shown, settling: boolean): boolean {
    if (queueMs < STANDING_MS) {
      this.#vainCuts = this.#standingMs = 0;
      return false;
    }
    if (this.#vainCuts >= CUTS_IN_VAIN && queueMs > this.#standingMs * 0.9) return false; // the way got longer
    if (!settling) {
      this.#vainCuts++;
      this.#standingMs = queueMs;
    }
    return true;
  }

  #cut({ sentBps, arrivedBps, stretch }: Shown, noise: number, now: Millis, revertBps: number): void {
    this.#passedBps = arrivedBps / Math.max(1, stretch);
    this.#beforeCutBps = revertBps;
    const quietMs = now - this.#cutAt;
    if (quietMs > this.#forgetMs)
      this.#forgetMs =
        quietMs < this.#forgetMs + SOON_MS ? Math.min(FORGET_MOST_MS, this.#forgetMs * 2) : FORGET_MS;
    this.#cutAt = now;
    this.#congestedUntil = now + 2 * SETTLE_MS;
    this.#set(Math.min(this.bps, sentBps, withNoise(this.#passedBps, noise)) * FALL);
  }

  #grow({ sentBps, queueMs }: Shown, elapsedS: number, now: Millis): void {
    if (queueMs > STANDING_MS / 2) return;
    const fresh = now - this.#cutAt > this.#forgetMs;
    // What came through once will again; policies come in steps, and the next may be far above what is sent now.
    const proven = fresh ? 0 : withNoise(this.#passedBps, this.noise) * PROVEN;
    const limit = Math.max(sentBps * (fresh ? HEADROOM : HEADROOM_CUT), proven, this.bps);
    this.#set(Math.min(limit, this.bps * (fresh ? GROWTH_FRESH : GROWTH) ** elapsedS));
  }

  #set(bps: number): void {
    this.bps = Math.min(MOST_BPS, Math.max(LEAST_BPS, bps));
  }
}

/** As sent, what arrives as `bps`. */
const withNoise = (bps: number, noise: number): number => bps / Math.max(0.05, 1 - noise);
