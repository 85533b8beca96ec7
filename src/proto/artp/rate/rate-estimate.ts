import type { Millis } from '../../../kit/core.ts';
import { LossJudge } from './loss-judge.ts';
import type { RateChange } from './rate-change.ts';
import { Trial } from './trial.ts';

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
/** Of the limit that loss shows; it is believed until so little speaks for it. */
const WITHIN_LIMIT = 0.95;
const HOLD = 2.5;
const FIRM = 7;
/** A line that is too narrow drops one here and one there, one that breaks drops rows: no reason to try anything. */
const IN_ROWS = 2.5;
/** What is refuted so soon was none; what fades later may still be there. */
const REFUTED_MS = 6000;
const MOST_MEMORY = 16;
/** No limit up to this share of what is sent: more need not be known. */
const CLEAR_UP_TO = 0.7;

/** One report's worth of what a path shows. */
export interface Shown {
  readonly sentBps: number;
  /** Of `sentBps`, what arrived. */
  readonly arrivedBps: number;
  readonly loss: number;
  /** 1: losses are single ones; more: they come in rows. */
  readonly clustering: number;
  /** The delay grows: a queue is filling. */
  readonly filling: boolean;
  /** What packets wait beyond the least seen lately, ms. */
  readonly queueMs: number;
  /** Time in which packets arrived by the time in which they were sent: above 1 while a queue fills. */
  readonly stretch: number;
  /** The last change of the sending rate, and those that are over since the last time. */
  readonly change: RateChange | undefined;
  readonly over: readonly RateChange[];
  readonly rttMs: number;
}

/**
 * How much a path takes (after draft-ietf-rmcat-gcc-02, but deaf to noise): growing delay cuts, loss that grew with the rate
 * cuts, loss that is flat in the rate never does. Rates are as sent: what noise takes away is counted back in. A cut that
 * changed nothing is taken back. Nothing is sent to probe: redundancy itself is the probe, within HEADROOM of what was sent.
 */
export class RateEstimate {
  /** Share lost to noise, as far as known. */
  noise = 0;
  /** As far as delay tells. */
  #delayBps = START_BPS;
  /** As far as loss tells. */
  #limitBps: number | undefined;
  readonly #judge = new LossJudge();
  readonly #trial = new Trial();
  #limitedAt: Millis = Number.NEGATIVE_INFINITY;
  #freedAt: Millis = Number.NEGATIVE_INFINITY;
  #memory = 1;
  #updatedAt: Millis | undefined;
  #cutAt: Millis = Number.NEGATIVE_INFINITY;
  /** What came through at the last cut, noise not counted back in. */
  #passedBps = 0;
  #forgetMs = FORGET_MS;
  #vainCuts = 0;
  #standingMs = 0;

  get bps(): number {
    return Math.min(this.#delayBps, this.#limitBps ?? Number.POSITIVE_INFINITY);
  }

  /** The same, less while a trial is on: for what can be sent less of and back within a second. */
  trialBps(now: Millis): number {
    const trialBps = this.#trial.bps(now);
    return trialBps === undefined ? this.bps : Math.min(this.#delayBps, trialBps);
  }

  update(shown: Shown, now: Millis): void {
    const elapsedS = Math.min(1, (now - (this.#updatedAt ?? now)) / 1000);
    this.#updatedAt = now;
    const settling = now - this.#cutAt < shown.rttMs + SETTLE_MS;
    this.#judge.update(shown.over, shown.change, elapsedS, this.#memory);
    this.#heed(now);
    const calm = !shown.filling && shown.queueMs < NO_QUEUE_MS;
    this.#try(shown, now);
    if (shown.filling || this.#stands(shown, settling)) {
      if (!settling) this.#cut(shown, now);
      return;
    }
    if (settling) return;
    if (calm && this.#limitBps === undefined) this.noise += (shown.loss - this.noise) * Math.min(1, elapsedS);
    this.#grow(shown, elapsedS, now);
  }

  #try({ sentBps, loss, clustering, filling }: Shown, now: Millis): void {
    const doubtedBps = this.#trial.triedBps(now) ?? sentBps;
    const isLimited = this.#limitBps !== undefined;
    const isClear = this.#judge.isClear(doubtedBps * CLEAR_UP_TO);
    const isDoubtful = !filling && clustering < IN_ROWS && !isClear;
    const doubtfulLimitBps = this.#judge.most < FIRM ? this.#limitBps : undefined;
    this.#trial.update({ sentBps, loss, isLimited, isDoubtful, doubtfulLimitBps }, now);
  }

  /** Believes what loss says of a limit, and for how long. */
  #heed(now: Millis): void {
    const before = this.#limitBps;
    if (before === undefined ? this.#judge.isSure : this.#judge.most > HOLD) {
      this.#limitBps = Math.max(LEAST_BPS, this.#judge.limitBps * WITHIN_LIMIT);
      if (before !== undefined) return;
      this.#limitedAt = now;
      this.#memory = now - this.#freedAt < SOON_MS ? Math.min(MOST_MEMORY, this.#memory * 2) : 1;
    } else if (before !== undefined) {
      this.#limitBps = undefined;
      this.#freedAt = now;
      if (now - this.#limitedAt < REFUTED_MS || this.#trial.isRecent(now)) return;
      this.#delayBps = Math.min(this.#delayBps, before);
      this.#cutAt = now;
      this.#passedBps = 0;
    }
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

  #cut({ sentBps, arrivedBps, stretch }: Shown, now: Millis): void {
    this.#passedBps = arrivedBps / Math.max(1, stretch);
    const quietMs = now - this.#cutAt;
    if (quietMs > this.#forgetMs)
      this.#forgetMs =
        quietMs < this.#forgetMs + SOON_MS ? Math.min(FORGET_MOST_MS, this.#forgetMs * 2) : FORGET_MS;
    this.#cutAt = now;
    this.#set(Math.min(this.bps, sentBps, withNoise(this.#passedBps, this.noise)) * FALL);
  }

  #grow({ sentBps, queueMs }: Shown, elapsedS: number, now: Millis): void {
    if (queueMs > STANDING_MS / 2) return;
    const fresh = now - this.#cutAt > this.#forgetMs;
    // What came through once will again; policies come in steps, and the next may be far above what is sent now.
    const proven = fresh ? 0 : withNoise(this.#passedBps, this.noise) * PROVEN;
    const limit = Math.max(sentBps * (fresh ? HEADROOM : HEADROOM_CUT), proven, this.#delayBps);
    this.#set(Math.min(limit, this.#delayBps * (fresh ? GROWTH_FRESH : GROWTH) ** elapsedS));
  }

  #set(bps: number): void {
    this.#delayBps = Math.min(MOST_BPS, Math.max(LEAST_BPS, bps));
  }
}

/** As sent, what arrives as `bps`. */
const withNoise = (bps: number, noise: number): number => bps / Math.max(0.05, 1 - noise);
