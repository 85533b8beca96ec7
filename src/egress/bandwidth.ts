import type { Millis } from '../kit/core.ts';

/** Asked of a publisher for the sake of several viewers it is never less than this: below, the picture is no use to the rest. */
const FLOOR_BPS = 300_000;
/** For one viewer alone. */
const ALONE_FLOOR_BPS = 100_000;

/**
 * What a publisher is asked for, bits a second: the second-lowest of its viewers' limits, so that one weak receiver
 * never lowers the picture of all. Undefined: no limit.
 */
export function askedBps(limits: Iterable<number>): number | undefined {
  let lowest = Number.POSITIVE_INFINITY;
  let second = Number.POSITIVE_INFINITY;
  let count = 0;
  for (const bps of limits) {
    count++;
    if (bps < lowest) [lowest, second] = [bps, lowest];
    else if (bps < second) second = bps;
  }
  const bps = count === 1 ? Math.max(ALONE_FLOOR_BPS, lowest) : Math.max(FLOOR_BPS, second);
  return bps === Number.POSITIVE_INFINITY ? undefined : bps;
}

/** Bit rates pictures are transcoded to for receivers that cannot take all of a track; shared by all of one class. */
export const CLASSES_BPS = [150_000, 300_000, 600_000, 1_200_000, 2_500_000] as const;

/** `full`: all of the track; a number: its class, bits a second; `none`: sound only. */
export type Share = 'full' | 'none' | number;

/** Rates are noisy: a little too much is not too much. */
const TOLERANCE = 1.1;
/** So long too much before less is sent: the publisher was asked, too, and may lower its rate. */
const FALL_AFTER_MS = 4000;
const RISE_AFTER_MS = 5000;
/** An estimate never grows far beyond what is sent: with this much room above it, more is tried, to find out. */
const HEADROOM = 1.3;
const TRY_AFTER_MS = 10_000;
const TRY_AFTER_MAX_MS = 120_000;
/** A fall so soon after a rise: it was in vain. */
const IN_VAIN_MS = 20_000;

/** How much of a track one receiver is sent. Call `update` a few times a second. */
export class Width {
  share: Share = 'full';
  readonly #classes: readonly number[];
  #pressedSince: Millis | undefined;
  #roomSince: Millis | undefined;
  #roseAt: Millis = Number.NEGATIVE_INFINITY;
  #tryAfterMs = TRY_AFTER_MS;

  /** `classes`: ascending; empty where nothing can be transcoded, so that it is all or nothing. */
  constructor(classes: readonly number[] = CLASSES_BPS) {
    this.#classes = classes;
  }

  /**
   * `trackBps`: what the whole track takes, undefined while unknown. `estimateBps`: what the receiver's line takes by
   * its own measure, `maxBps`: what it may be sent by agreement; Infinity when unknown. True when `share` has changed.
   */
  update(now: Millis, trackBps: number | undefined, estimateBps: number, maxBps: number): boolean {
    const limit = Math.min(estimateBps, maxBps);
    const sent = this.share === 'full' ? (trackBps ?? 0) : sizeOf(this.share);
    if (sent > limit * TOLERANCE) return this.#press(now, limit);
    this.#pressedSince = undefined;
    return this.share !== 'full' && this.#room(now, trackBps, limit, maxBps);
  }

  #press(now: Millis, limit: number): boolean {
    this.#roomSince = undefined;
    this.#pressedSince ??= now;
    if (now - this.#pressedSince < FALL_AFTER_MS) return false;
    this.#tryAfterMs =
      now - this.#roseAt < IN_VAIN_MS ? Math.min(TRY_AFTER_MAX_MS, this.#tryAfterMs * 2) : TRY_AFTER_MS;
    return this.#become(this.#largest(limit));
  }

  #room(now: Millis, trackBps: number | undefined, limit: number, maxBps: number): boolean {
    const sent = sizeOf(this.share);
    const whole = limit === Number.POSITIVE_INFINITY || (trackBps ?? Number.POSITIVE_INFINITY) <= limit;
    const best = whole ? 'full' : this.#largest(limit);
    const sure = sizeOf(best) > sent;
    const step = this.#classes.find(c => c > sent) ?? 'full';
    const next = step !== 'full' && trackBps !== undefined && trackBps <= step ? 'full' : step;
    const cost = next === 'full' ? (trackBps ?? 0) : next;
    if (!sure && (cost > maxBps || limit < sent * HEADROOM)) {
      this.#roomSince = undefined;
      return false;
    }
    this.#roomSince ??= now;
    if (now - this.#roomSince < (sure && sent > 0 ? RISE_AFTER_MS : this.#tryAfterMs)) return false;
    this.#roseAt = now;
    return this.#become(sure ? best : next);
  }

  #become(share: Share): boolean {
    this.#pressedSince = this.#roomSince = undefined;
    const changed = this.share !== share;
    this.share = share;
    return changed;
  }

  /** The largest class within `limit`. */
  #largest(limit: number): Share {
    return this.#classes.findLast(c => c <= limit) ?? 'none';
  }
}

const sizeOf = (share: Share): number =>
  share === 'full' ? Number.POSITIVE_INFINITY : share === 'none' ? 0 : share;
