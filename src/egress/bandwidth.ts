import type { Millis } from '../kit/core.ts';

/** A publisher is never asked for less than this: below, its picture is no use to anyone. */
const FLOOR_BPS = 100_000;

/**
 * What a publisher is asked for, bits a second: what the best of its viewers can take, so that nobody is lowered for
 * the sake of another. Undefined: no limit.
 */
export function askedBps(limits: Iterable<number>): number | undefined {
  let most = FLOOR_BPS;
  for (const bps of limits) most = Math.max(most, bps);
  return most === Number.POSITIVE_INFINITY ? undefined : most;
}

/** Bit rates pictures are transcoded to for receivers that cannot take all of a track; shared by all of one class. */
const CLASSES_BPS = [150_000, 300_000, 600_000, 1_200_000, 2_500_000] as const;

/** `full`: all of the track; a number: its class, bits a second; `none`: sound only. */
export type Share = 'full' | 'none' | number;

/** Rates are noisy: a little too much is not too much. */
export const TOLERANCE = 1.1;
/** So long too much before less is sent: the publisher was asked, too, and may lower its rate. */
const FALL_AFTER_MS = 4000;
/** So much too much clogs the line, and the publisher will not send less for the sake of one. */
const FAR = 1.5;
const FALL_FAR_AFTER_MS = 500;
/** The least is still sent to a line that is measured at half of it: measures of a clogged line are too low. */
const LEAST_FITS = 0.5;
const RISE_AFTER_MS = 5000;
/** An estimate never grows far beyond what is sent: with this much room above it, more is tried, to find out. */
const HEADROOM = 1.3;
/** But nothing that is so much more than the estimate. */
const LEAP = 2.5;
const TRY_AFTER_MS = 10_000;
/** So soon after that, the first sign of trouble ends it. */
const TRIAL_MS = 8000;
const FALL_TRIAL_AFTER_MS = 400;
const TRY_AFTER_MAX_MS = 120_000;
/**
 * Who is sent nothing has nothing to measure: its last estimate may be of a line that has long recovered. After so long
 * the least is tried whatever it says, and given so long to be measured anew.
 */
const BLIND_AFTER_MS = 30_000;
const BLIND_TRIAL_MS = 3000;
/** A fall so soon after a rise: it was in vain. */
const IN_VAIN_MS = 20_000;

/** Bits a second; undefined: not known yet. */
export interface Rates {
  /** Of the whole track. */
  readonly track: number | undefined;
  /** Of what this receiver is sent now. */
  readonly sent: number | undefined;
  /** What the publisher was asked for, if it heeds that. */
  readonly asked?: number | undefined;
}

/** How much of a track one receiver is sent. Call `update` a few times a second. */
export class Width {
  share: Share = 'full';
  /** The line is full of what was sent before `share` became less. */
  clogged = false;
  readonly #classes: readonly number[];
  #pressedSince: Millis | undefined;
  #roomSince: Millis | undefined;
  #roseAt: Millis = Number.NEGATIVE_INFINITY;
  /** It rose against its estimate. */
  #blind = false;
  #tryAfterMs = TRY_AFTER_MS;

  /** `classes`: ascending; empty where nothing smaller can be had, so that it is all or nothing. */
  constructor(classes: readonly number[] = CLASSES_BPS) {
    this.#classes = classes;
  }

  /**
   * `estimateBps`: what the receiver's line takes by its own measure, `maxBps`: what it may be sent by agreement;
   * Infinity when unknown. True when `share` has changed.
   */
  update(now: Millis, rates: Rates, estimateBps: number, maxBps: number): boolean {
    const limit = Math.min(estimateBps, maxBps);
    const sent = this.share === 'full' ? (rates.track ?? 0) : this.#sent(rates);
    const least = this.share === this.#classes[0] ? LEAST_FITS : 1;
    if (sent * least > limit * TOLERANCE) return this.#press(now, sent, limit, maxBps, rates.asked);
    this.#pressedSince = undefined;
    return this.share !== 'full' && this.#room(now, rates, limit, maxBps);
  }

  /** Never more than its class: a keyframe is not what is sent all the time. */
  #sent(rates: Rates): number {
    const size = sizeOf(this.share);
    return Math.min(size, rates.sent ?? size);
  }

  #press(
    now: Millis,
    sent: number,
    limit: number,
    maxBps: number,
    asked = Number.POSITIVE_INFINITY,
  ): boolean {
    this.#roomSince = undefined;
    this.#pressedSince ??= now;
    if (this.#blind && now - this.#roseAt < BLIND_TRIAL_MS) return false;
    const far = sent > limit * FAR && asked > limit * TOLERANCE;
    const onTrial = now - this.#roseAt < TRIAL_MS;
    if (now - this.#pressedSince < (onTrial ? FALL_TRIAL_AFTER_MS : far ? FALL_FAR_AFTER_MS : FALL_AFTER_MS))
      return false;
    this.#tryAfterMs =
      now - this.#roseAt < IN_VAIN_MS ? Math.min(TRY_AFTER_MAX_MS, this.#tryAfterMs * 2) : TRY_AFTER_MS;
    this.clogged = far;
    return this.#become(this.#largest(limit, maxBps));
  }

  #room(now: Millis, rates: Rates, limit: number, maxBps: number): boolean {
    const size = sizeOf(this.share);
    const { track } = rates;
    const whole = limit === Number.POSITIVE_INFINITY || (track ?? Number.POSITIVE_INFINITY) <= limit;
    const best = whole ? 'full' : this.#largest(limit, maxBps);
    const sure = sizeOf(best) > size;
    const step = this.#classes.find(c => c > size) ?? 'full';
    const next = step !== 'full' && track !== undefined && track <= step ? 'full' : step;
    const cost = next === 'full' ? (track ?? 0) : next;
    const shows = sure || (cost <= limit * LEAP && limit >= this.#sent(rates) * HEADROOM);
    if (!(shows || size === 0) || (!sure && cost > maxBps)) {
      this.#roomSince = undefined;
      return false;
    }
    this.#roomSince ??= now;
    const waitMs = sure && size > 0 ? RISE_AFTER_MS : this.#tryAfterMs;
    if (now - this.#roomSince < (shows ? waitMs : Math.max(waitMs, BLIND_AFTER_MS))) return false;
    this.#roseAt = now;
    this.#blind = !shows;
    this.clogged = false;
    return this.#become(sure ? best : next);
  }

  #become(share: Share): boolean {
    this.#pressedSince = this.#roomSince = undefined;
    const changed = this.share !== share;
    this.share = share;
    return changed;
  }

  /** The largest class within `limit`; the least also beyond a measured one, never beyond `maxBps`. */
  #largest(limit: number, maxBps: number): Share {
    const [least] = this.#classes;
    if (least === undefined || limit < least * LEAST_FITS || maxBps * TOLERANCE < least) return 'none';
    return this.#classes.findLast(c => c <= limit) ?? least;
  }
}

const sizeOf = (share: Share): number =>
  share === 'full' ? Number.POSITIVE_INFINITY : share === 'none' ? 0 : share;
