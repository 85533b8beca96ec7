import type { Millis } from '../../kit/core.ts';

/** Packets sent within this time count as one burst. */
const BURST_MS = 5;
/** Bursts the line is fitted through. */
const WINDOW = 20;
/** A narrow line passes few bursts: that many are enough for a first judgement. */
const LEAST = 6;
const SMOOTHING = 0.9;
const GAIN = 4;
const MOST_DELTAS = 60;
/** Threshold on the scaled trend: where it begins, its bounds, and how fast it follows. */
const THRESHOLD = 12.5;
const THRESHOLD_LEAST = 6;
const THRESHOLD_MOST = 600;
const FOLLOW_UP = 0.0087;
const FOLLOW_DOWN = 0.039;
const FOLLOW_MOST_MS = 100;
/** Beyond this above the threshold it is a spike, which the threshold does not follow. */
const SPIKE = 15;
const OVERUSE_MS = 10;
/** The least delay is remembered for one to two times so long: clocks drift, ways change. */
const LEAST_DELAY_MS = 15_000;
/** A hole so long in either clock: begin anew. */
const PAUSE_MS = 3000;

/**
 * Whether queues on the way grow: a straight line through the last one-way delays, and a threshold that adapts so that
 * competing flows do not starve us. After draft-ietf-rmcat-gcc-02 §5, with a line fit for the filter.
 */
export class DelayTrend {
  state: 'normal' | 'overuse' | 'underuse' = 'normal';
  /** How long packets wait now beyond the least that was seen lately, smoothed. */
  queueMs = 0;
  #leastMs = Number.POSITIVE_INFINITY;
  #leastBeforeMs = Number.POSITIVE_INFINITY;
  #leastSince: Millis | undefined;
  /** Of the burst being gathered and of the one before: time sent first, last, and arrived last. */
  #sentFrom: Millis | undefined;
  #sentTo: Millis = 0;
  #arrivedTo: Millis = 0;
  #before: { sent: Millis; arrived: Millis } | undefined;
  #delayMs = 0;
  #smoothMs = 0;
  #deltas = 0;
  #firstArrived: Millis = 0;
  /** A ring of points: time, smoothed delay. */
  readonly #x = new Float64Array(WINDOW);
  readonly #y = new Float64Array(WINDOW);
  #threshold = THRESHOLD;
  #followedAt: Millis | undefined;
  #overMs = 0;
  #overs = 0;
  #lastTrend = 0;

  packet(sent: Millis, arrived: Millis): void {
    if (this.#sentFrom !== undefined && sent < this.#sentFrom) return; // sent out of order: of an earlier burst
    if (this.#sentFrom !== undefined && sent - this.#sentFrom <= BURST_MS) {
      this.#sentTo = Math.max(this.#sentTo, sent);
      this.#arrivedTo = Math.max(this.#arrivedTo, arrived);
      return;
    }
    if (this.#sentFrom !== undefined) this.#burst(this.#sentTo, this.#arrivedTo);
    this.#sentFrom = this.#sentTo = sent;
    this.#arrivedTo = arrived;
  }

  #burst(sent: Millis, arrived: Millis): void {
    const before = this.#before;
    this.#before = { sent, arrived };
    if (before === undefined) return;
    this.#wait(arrived - sent, arrived);
    const sentDelta = sent - before.sent;
    const arrivedDelta = arrived - before.arrived;
    if (Math.abs(arrivedDelta) > PAUSE_MS || sentDelta > PAUSE_MS) return this.#restart();
    this.#point(arrivedDelta - sentDelta, arrived);
    this.#judge(sentDelta, arrived);
  }

  /** `delayMs`: between two clocks, so only its changes mean anything. */
  #wait(delayMs: number, now: Millis): void {
    this.#leastSince ??= now;
    if (now - this.#leastSince > LEAST_DELAY_MS) {
      this.#leastBeforeMs = this.#leastMs;
      this.#leastMs = delayMs;
      this.#leastSince = now;
    }
    this.#leastMs = Math.min(this.#leastMs, delayMs);
    this.queueMs += (delayMs - Math.min(this.#leastMs, this.#leastBeforeMs) - this.queueMs) / 8;
  }

  #point(deltaMs: number, arrived: Millis): void {
    if (this.#deltas === 0) this.#firstArrived = arrived;
    this.#delayMs += deltaMs;
    this.#smoothMs = SMOOTHING * this.#smoothMs + (1 - SMOOTHING) * this.#delayMs;
    const at = this.#deltas++ % WINDOW;
    this.#x[at] = arrived - this.#firstArrived;
    this.#y[at] = this.#smoothMs;
  }

  /** Least squares; 0 until there are enough points. */
  #slope(): number {
    const n = Math.min(this.#deltas, WINDOW);
    if (n < LEAST) return 0;
    let meanX = 0;
    let meanY = 0;
    for (let i = 0; i < n; i++) {
      meanX += this.#x[i]! / n;
      meanY += this.#y[i]! / n;
    }
    let above = 0;
    let below = 0;
    for (let i = 0; i < n; i++) {
      const x = this.#x[i]! - meanX;
      above += x * (this.#y[i]! - meanY);
      below += x * x;
    }
    return below === 0 ? 0 : above / below;
  }

  #judge(sentDelta: number, now: Millis): void {
    const slope = this.#slope();
    const trend = Math.min(this.#deltas, MOST_DELTAS) * slope * GAIN;
    if (trend > this.#threshold) {
      this.#overMs += this.#overs === 0 ? sentDelta / 2 : sentDelta;
      this.#overs++;
      if (this.#overMs > OVERUSE_MS && this.#overs > 1 && slope >= this.#lastTrend) {
        this.#overMs = this.#overs = 0;
        this.state = 'overuse';
      }
    } else {
      this.#overMs = this.#overs = 0;
      this.state = trend < -this.#threshold ? 'underuse' : 'normal';
    }
    this.#lastTrend = slope;
    this.#follow(Math.abs(trend), now);
  }

  #follow(trend: number, now: Millis): void {
    const passedMs = Math.min(FOLLOW_MOST_MS, Math.max(0, now - (this.#followedAt ?? now)));
    this.#followedAt = now;
    if (trend > this.#threshold + SPIKE) return;
    const speed = trend < this.#threshold ? FOLLOW_DOWN : FOLLOW_UP;
    const followed = this.#threshold + speed * (trend - this.#threshold) * passedMs;
    this.#threshold = Math.min(THRESHOLD_MOST, Math.max(THRESHOLD_LEAST, followed));
  }

  #restart(): void {
    this.state = 'normal';
    this.#before = undefined;
    this.#deltas = this.#delayMs = this.#smoothMs = this.#overMs = this.#overs = this.#lastTrend = 0;
  }
}
