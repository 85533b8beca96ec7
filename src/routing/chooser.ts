import type { Millis } from '../kit/core.ts';
import { NO_TAG } from '../proto/artp/relay/connection-id.ts';
import { BETTER_FOR_MS, Relapses } from './relapses.ts';

export type PathState = 'alive' | 'doubt' | 'dead';

/** One path to the other router, as it is now. */
export interface Candidate {
  /** Tag of the router between; NO_TAG: none, the direct path. */
  readonly via: number;
  readonly state: PathState;
  /** Predicted opinion score, 1 to 4.5. */
  readonly score: number;
}

/** A path must be so much better, for BETTER_FOR_MS and longer, before traffic moves to it. */
const BETTER_BY = 0.2;
/** As good as: the shorter way is taken again, for it costs one relay less. Well apart from BETTER_BY, or traffic would flap. */
const AS_GOOD_WITHIN = 0.1;
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
  readonly #relapses = new Relapses();
  /** Of the path in use, when it was taken. */
  #takenScore = Number.POSITIVE_INFINITY;
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
    this.#relapses.keep(via => candidates.some(c => c.via === via));
  }

  /** Nothing passes: at once, to what is known to live. */
  #leaveDead(dead: Candidate | undefined, alive: readonly Candidate[], now: Millis): void {
    const next = alive.find(c => c.via === this.#standby) ?? best(alive);
    if (next === undefined && dead !== undefined) return;
    this.#relapses.failed(this.#chosen, now);
    this.#move(next, now); // none is alive: the router between is no more
  }

  #compare(chosen: Candidate, others: readonly Candidate[], now: Millis): void {
    const ready: Candidate[] = [];
    for (const c of others) {
      const good = c.score >= chosen.score + (c.via === NO_TAG ? -AS_GOOD_WITHIN : BETTER_BY);
      if (!good) {
        this.#goodSince.delete(c.via);
        continue;
      }
      const since = this.#goodSince.get(c.via) ?? now;
      this.#goodSince.set(c.via, since);
      if (now - since >= this.#waitMs(c, chosen)) ready.push(c);
    }
    for (const via of this.#goodSince.keys())
      if (!others.some(c => c.via === via)) this.#goodSince.delete(via);
    const next = best(ready);
    if (next === undefined) return;
    if (this.#hasFailed(chosen)) this.#relapses.failed(chosen.via, now);
    this.#move(next, now);
  }

  /** The longer, the more often it was taken in vain; but what is better than a path that has failed is wanted soon. */
  #waitMs(c: Candidate, chosen: Candidate): Millis {
    const isWanted = this.#hasFailed(chosen) && c.score >= chosen.score + BETTER_BY;
    return isWanted ? BETTER_FOR_MS : this.#relapses.waitMs(c.via);
  }

  #hasFailed(chosen: Candidate): boolean {
    return chosen.score <= this.#takenScore - BETTER_BY;
  }

  /** Undefined: back to the direct path, dead as it is. */
  #move(next: Candidate | undefined, now: Millis): void {
    const via = next?.via ?? NO_TAG;
    this.#takenScore = next?.score ?? Number.POSITIVE_INFINITY;
    this.#relapses.taken(now);
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
    const chosen = candidates.find(c => c.via === this.#chosen);
    if (chosen?.state !== 'alive') return this.#standby;
    // What is only as good, or has to prove itself, needs no company: nothing is wrong with the path in use.
    for (const c of candidates) {
      const since = this.#goodSince.get(c.via);
      if (c.via === NO_TAG || since === undefined || now - since < ALONG_AFTER_MS) continue;
      if (this.#waitMs(c, chosen) === BETTER_FOR_MS) return c.via;
    }
    return undefined;
  }
}

function best(candidates: readonly Candidate[]): Candidate | undefined {
  let first: Candidate | undefined;
  for (const c of candidates) if (first === undefined || c.score > first.score) first = c;
  return first;
}
