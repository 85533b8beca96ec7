import type { Millis } from '../kit/core.ts';
import { NO_TAG } from '../proto/artp/relay/connection-id.ts';

export type PathState = 'alive' | 'doubt' | 'dead';

/** One path to the other router, as it is now. */
export interface Candidate {
  /** Tag of the router between; NO_TAG: none, the direct path. */
  readonly via: number;
  readonly state: PathState;
  /** Predicted opinion score, 1 to 4.5. */
  readonly score: number;
}

/** A path must be so much better for so long before traffic moves to it. */
const BETTER_BY = 0.2;
export const BETTER_FOR_MS = 3000;
/** As good as: the shorter way is taken again, for it costs one relay less. Well apart from BETTER_BY, or traffic would flap. */
const AS_GOOD_WITHIN = 0.1;
/** A shorter way that was left again this soon is believed only after twice the time. */
const RELAPSE_MS = 60_000;
const MAX_RETURN_MS = 60_000;
/** Differences of correlation below this mean nothing; the score decides. */
const AS_DISJOINT_WITHIN = 0.1;
/** A better path that has lasted this long is taken along until it is taken or not. */
const ALONG_AFTER_MS = 500;
const HOUR_MS = 3_600_000;
/** Switches remembered; more in an hour are told as this many. */
const MAX_SWITCHES = 1000;

/**
 * Which path to another router is taken, and which is kept hot beside it. Pure: `judge` is called with all candidates,
 * every few ten milliseconds while there is traffic.
 */
export class PathChooser {
  #chosen: number = NO_TAG;
  #standby: number | undefined;
  #along: number | undefined;
  /** Since when a candidate has been good enough to move to, without a break. */
  readonly #goodSince = new Map<number, Millis>();
  #returnMs = BETTER_FOR_MS;
  #returnedAt: Millis = Number.NEGATIVE_INFINITY;
  readonly #switchedAt: Millis[] = [];

  get chosen(): number {
    return this.#chosen;
  }
  /** The most disjoint living path beside the chosen one. */
  get standby(): number | undefined {
    return this.#standby;
  }
  /** While it is not sure which path is right: a second one, to send everything by as well. */
  get along(): number | undefined {
    return this.#along;
  }

  switchesLastHour(now: Millis): number {
    while (this.#switchedAt.length > 0 && now - (this.#switchedAt[0] as number) > HOUR_MS)
      this.#switchedAt.shift();
    return this.#switchedAt.length;
  }

  /** `correlated`: with the chosen path. The direct path is always among the candidates. */
  judge(
    candidates: readonly Candidate[],
    correlated: (via: number, chosen: number) => number,
    now: Millis,
  ): void {
    const chosen = candidates.find(c => c.via === this.#chosen);
    const others = candidates.filter(c => c !== chosen && c.state === 'alive');
    if (chosen === undefined || chosen.state === 'dead') this.#leaveDead(chosen, others, now);
    else this.#compare(chosen, others, now);
    this.#keepHot(candidates, correlated);
    this.#along = this.#second(candidates, now);
  }

  /** Nothing passes: at once, to what is known to live. */
  #leaveDead(dead: Candidate | undefined, alive: readonly Candidate[], now: Millis): void {
    const next = alive.find(c => c.via === this.#standby) ?? best(alive);
    if (next !== undefined) this.#move(next.via, now);
    else if (dead === undefined) this.#move(NO_TAG, now); // the router between is no more
  }

  #compare(chosen: Candidate, others: readonly Candidate[], now: Millis): void {
    const ready: Candidate[] = [];
    for (const c of others) {
      const isShorter = c.via === NO_TAG;
      const good = c.score >= chosen.score + (isShorter ? -AS_GOOD_WITHIN : BETTER_BY);
      if (!good) {
        this.#goodSince.delete(c.via);
        continue;
      }
      const since = this.#goodSince.get(c.via) ?? now;
      this.#goodSince.set(c.via, since);
      // A way back is waited for the longer the more often it was in vain; a way that is better by all means is not.
      const isBetter = c.score >= chosen.score + BETTER_BY;
      if (now - since >= (isShorter && !isBetter ? this.#returnMs : BETTER_FOR_MS)) ready.push(c);
    }
    for (const via of this.#goodSince.keys())
      if (!others.some(c => c.via === via)) this.#goodSince.delete(via);
    const next = best(ready);
    if (next !== undefined) this.#move(next.via, now);
  }

  #move(via: number, now: Millis): void {
    if (via === NO_TAG) this.#returnedAt = now;
    else if (this.#chosen === NO_TAG) {
      const relapsed = now - this.#returnedAt < RELAPSE_MS;
      this.#returnMs = relapsed ? Math.min(MAX_RETURN_MS, this.#returnMs * 2) : BETTER_FOR_MS;
    }
    if (via !== this.#chosen) {
      this.#switchedAt.push(now);
      if (this.#switchedAt.length > MAX_SWITCHES) this.#switchedAt.shift();
    }
    this.#chosen = via;
    this.#goodSince.clear();
  }

  /** Least correlated losses first: a second path that breaks together with the first is worth nothing. */
  #keepHot(candidates: readonly Candidate[], correlated: (via: number, chosen: number) => number): void {
    let hot: { via: number; correlation: number; score: number } | undefined;
    for (const { via, state, score } of candidates) {
      if (via === this.#chosen || state === 'dead') continue;
      const correlation = correlated(via, this.#chosen);
      const apart = hot === undefined ? -1 : correlation - hot.correlation;
      if (
        hot === undefined ||
        apart < -AS_DISJOINT_WITHIN ||
        (apart <= AS_DISJOINT_WITHIN && score > hot.score)
      )
        hot = { via, correlation, score };
    }
    this.#standby = hot?.via;
  }

  #second(candidates: readonly Candidate[], now: Millis): number | undefined {
    if (candidates.find(c => c.via === this.#chosen)?.state !== 'alive') return this.#standby;
    // What is only as good needs no company: nothing is wrong with the path in use.
    for (const [via, since] of this.#goodSince)
      if (via !== NO_TAG && now - since >= ALONG_AFTER_MS) return via;
    return undefined;
  }
}

function best(candidates: readonly Candidate[]): Candidate | undefined {
  let first: Candidate | undefined;
  for (const c of candidates) if (first === undefined || c.score > first.score) first = c;
  return first;
}
