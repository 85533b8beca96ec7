import type { Millis } from '../../kit/core.ts';
import { DelayTrend } from './delay-trend.ts';
import type { Fate } from './sent-log.ts';

const START_BPS = 5_000_000;
const LEAST_BPS = 50_000;
const MOST_BPS = 50_000_000;
/** Overuse: down to this share of what really arrived. */
const FALL = 0.85;
/** A second time only when the first has had time to show. */
const FALL_EVERY_MS = 300;
/** Growth a second without trouble, and near the rate at which trouble began last. */
const GROWTH = 0.08;
const GROWTH_NEAR = 0.015;
const NEAR_BELOW = 0.9;
const NEAR_ABOVE = 1.1;
/** Trouble is forgotten after so long; twice as long each time it comes back soon. */
const FORGET_MS = 60_000;
const FORGET_MOST_MS = 600_000;
const SOON_MS = 120_000;
/** What was never sent proves nothing: growth ends this far above what arrives. */
const HEADROOM = 1.5;
const HEADROOM_BPS = 20_000;
/** Loss is judged over so long, of so many packets. */
const LOSS_MS = 1000;
const LOSS_PACKETS = 20;
const LOSS_HIGH = 0.1;
const LOSS_LOW = 0.02;
const RATE_WINDOW_MS = 500;
/** A queue that stands: no growth before it is gone, and a long one must be drained. */
const STANDING_MS = 100;
const LONG_MS = 300;
const DRAIN = 0.7;
const DRAIN_EVERY_MS = 2000;

/**
 * How much a receiver's line takes, from its transport-wide feedback. After draft-ietf-rmcat-gcc-02, made simple: rising
 * delay or heavy loss lowers the estimate towards what really arrives; else it grows slowly, within sight of that.
 * Nothing is sent to probe. Sans-I/O.
 */
export class BandwidthEstimate implements Fate {
  bps = START_BPS;
  readonly #trend = new DelayTrend();
  #arrivedBps: number | undefined;
  #windowBytes = 0;
  #windowFrom: Millis | undefined;
  #got = 0;
  #lostCount = 0;
  #lossFrom: Millis | undefined;
  #grownAt: Millis | undefined;
  #fellAt: Millis = Number.NEGATIVE_INFINITY;
  /** What arrived when the line was last too narrow. */
  #troubleBps: number | undefined;
  #lossy = false;
  #forgetMs = FORGET_MS;
  #forgotAt: Millis = Number.NEGATIVE_INFINITY;

  /** Bits a second that arrived lately; undefined until half a second was told of. */
  get arrivedBps(): number | undefined {
    return this.#arrivedBps;
  }

  /** False: nothing says that the line has any limit that matters; `bps` is only what it was seen to take. */
  get narrow(): boolean {
    return this.#troubleBps !== undefined;
  }

  arrived(sentMs: Millis, arrivedMs: Millis, bytes: number): void {
    this.#trend.packet(sentMs, arrivedMs);
    this.#got++;
    this.#windowFrom ??= arrivedMs;
    const tookMs = arrivedMs - this.#windowFrom;
    if (tookMs < 0) return;
    if (tookMs >= RATE_WINDOW_MS) {
      const bps = (this.#windowBytes * 8000) / tookMs;
      this.#arrivedBps = this.#arrivedBps === undefined ? bps : this.#arrivedBps * 0.5 + bps * 0.5;
      this.#windowBytes = 0;
      this.#windowFrom = arrivedMs;
    }
    this.#windowBytes += bytes;
  }

  lost(count: number): void {
    this.#lostCount += count;
  }

  /** After each feedback. */
  update(now: Millis): void {
    const elapsedS = Math.min(1, (now - (this.#grownAt ?? now)) / 1000);
    this.#grownAt = now;
    this.#loss(now);
    if (this.#trend.state === 'overuse') return this.#fall(now, (this.#arrivedBps ?? this.bps) * FALL);
    this.#forget(now);
    const { state, queueMs } = this.#trend;
    if (queueMs > LONG_MS && now - this.#fellAt > DRAIN_EVERY_MS)
      return this.#fall(now, (this.#arrivedBps ?? this.bps) * DRAIN);
    if (state === 'normal' && queueMs < STANDING_MS && !this.#lossy) this.#grow(elapsedS);
  }

  #grow(elapsedS: number): void {
    const arrived = this.#arrivedBps;
    if (arrived === undefined) return;
    const trouble = this.#troubleBps;
    const near = trouble !== undefined && this.bps > trouble * NEAR_BELOW && this.bps < trouble * NEAR_ABOVE;
    const grown = this.bps * (1 + (near ? GROWTH_NEAR : GROWTH) * elapsedS);
    const limit = arrived * HEADROOM + HEADROOM_BPS;
    // What arrives without trouble is proven, whatever was thought before.
    this.#set(Math.max(this.bps, Math.min(grown, limit), arrived));
  }

  #loss(now: Millis): void {
    this.#lossFrom ??= now;
    const total = this.#got + this.#lostCount;
    if (now - this.#lossFrom < LOSS_MS || total < LOSS_PACKETS) return;
    const share = this.#lostCount / total;
    this.#lossFrom = now;
    this.#got = this.#lostCount = 0;
    this.#lossy = share > LOSS_LOW;
    if (share > LOSS_HIGH) this.#fall(now, this.bps * (1 - share / 2));
  }

  #forget(now: Millis): void {
    if (this.#troubleBps === undefined || now - this.#fellAt <= this.#forgetMs) return;
    this.#troubleBps = undefined;
    this.#forgotAt = now;
  }

  #fall(now: Millis, to: number): void {
    if (now - this.#fellAt < FALL_EVERY_MS) return;
    this.#fellAt = now;
    if (this.#troubleBps === undefined)
      this.#forgetMs =
        now - this.#forgotAt < SOON_MS ? Math.min(FORGET_MOST_MS, this.#forgetMs * 2) : FORGET_MS;
    this.#troubleBps = this.#arrivedBps ?? this.bps;
    // What arrives bounds it from both sides: nobody gains by staying far above, and a line takes what it takes
    // while a sender that has not heard yet goes on filling it.
    const least = this.#troubleBps * DRAIN;
    this.#set(Math.min(this.bps, Math.max(to, least), this.#troubleBps * HEADROOM));
  }

  #set(bps: number): void {
    this.bps = Math.min(MOST_BPS, Math.max(LEAST_BPS, bps));
  }
}
