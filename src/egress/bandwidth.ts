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
const FALL_AFTER_MS = 3000;
const RISE_AFTER_MS = 5000;
/** An estimate never grows far beyond what is sent: at this much of it, more is tried. */
const HEADROOM = 1.3;
const TRY_AFTER_MS = 10_000;
const TRY_AFTER_MAX_MS = 120_000;
/** A fall so soon after a rise means it was tried in vain. */
const IN_VAIN_MS = 20_000;

/** How much of a track one receiver is sent. Call `update` a few times a second. */
export class Width {
  share: Share = 'full';
  #overSince: Millis | undefined;
  #roomSince: Millis | undefined;
  #changedAt: Millis = Number.NEGATIVE_INFINITY;
  #rose = false;
  #tryAfterMs = TRY_AFTER_MS;

  /**
   * `trackBps`: what the whole track takes, undefined while unknown. `estimateBps`: what the receiver's line takes by
   * its own measure, `maxBps`: what it may be sent by agreement; Infinity when unknown. True when `share` has changed.
   */
  update(now: Millis, trackBps: number | undefined, estimateBps: number, maxBps: number): boolean {
    const limit = Math.min(estimateBps, maxBps);
    const used = this.share === 'full' ? trackBps : this.share === 'none' ? 0 : this.share;
    if (used !== undefined && used > limit * TOLERANCE) return this.#fall(now, limit, estimateBps);
    this.#overSince = undefined;
    return this.share !== 'full' && this.#rise(now, trackBps, limit, maxBps);
  }

  #fall(now: Millis, limit: number, estimateBps: number): boolean {
    this.#overSince ??= now;
    this.#roomSince = undefined;
    // What was agreed is known from the start; only estimates need time to settle.
    if (limit === estimateBps && now - this.#overSince < FALL_AFTER_MS) return false;
    if (this.#rose && now - this.#changedAt < IN_VAIN_MS)
      this.#tryAfterMs = Math.min(TRY_AFTER_MAX_MS, this.#tryAfterMs * 2);
    return this.#become(now, classFor(limit), false);
  }

  #rise(now: Millis, trackBps: number | undefined, limit: number, maxBps: number): boolean {
    const sent = this.share === 'none' ? 0 : (this.share as number);
    const next = CLASSES_BPS.find(c => c > sent) ?? Number.POSITIVE_INFINITY;
    const fits = (bps: number): boolean => limit >= bps && limit < Number.POSITIVE_INFINITY;
    const known = trackBps !== undefined && trackBps <= limit ? 'full' : classFor(limit);
    const sure = known === 'full' || (known !== 'none' && fits(next));
    // Nothing but a try can tell, if no more is sent than now.
    const worth = limit >= sent * HEADROOM && maxBps >= next;
    if (!sure && !worth) {
      this.#roomSince = undefined;
      return false;
    }
    this.#roomSince ??= now;
    const afterMs = sure && this.share !== 'none' ? RISE_AFTER_MS : this.#tryAfterMs;
    if (now - this.#roomSince < afterMs) return false;
    return this.#become(now, sure ? known : trackBps !== undefined && trackBps <= next ? 'full' : next, true);
  }

  #become(now: Millis, share: Share, rose: boolean): boolean {
    if (!rose || now - this.#changedAt > TRY_AFTER_MAX_MS) this.#rose = rose;
    this.#rose = rose;
    this.#changedAt = now;
    this.#overSince = this.#roomSince = undefined;
    const changed = this.share !== share;
    this.share = share;
    return changed;
  }
}

/** The largest class within `limit`. */
const classFor = (limit: number): Share => CLASSES_BPS.findLast(c => c <= limit) ?? 'none';
