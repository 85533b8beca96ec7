import type { Millis } from '../kit/core.ts';
import { NO_TAG } from '../proto/artp/relay/connection-id.ts';
import { type Candidate, PathChooser, type PathState } from './chooser.ts';
import { type ControlBody, type PathRecord, wireTime } from './control.ts';
import { correlation, fatesOf, lossOf } from './fates.ts';
import { ProbedPath } from './probed-path.ts';
import { ProbesHeard } from './probes-heard.ts';
import type { ScorePath } from './score.ts';

/** Between probes: of a pair that carries traffic, and of one that waits for some. */
const BUSY_PROBE_MS = 50;
const IDLE_PROBE_MS = 1000;
/** After the last datagram. */
const BUSY_MS = 2000;
/** Scores look back seconds: more often tells nothing new. */
const SCORE_EVERY_MS = 500;
/** Paths of one pair: the direct one and these through another router. */
const MAX_BETWEEN = 3;
/** Two probes missed: not dead yet, but not to be relied on. */
const DOUBT_MS = 110;
const DEAD_MS = 200;
const MAX_DEAD_MS = 1000;
/** A path is dead when its silence, by the loss it has, has less than this probability. */
const DEAD_SURE = 0.001;
const IDLE_DEAD_MS = 3500;

/** One path to another router, for reports. Losses and shares are 0 to 1. */
export interface PathView {
  readonly via: number;
  readonly state: PathState;
  readonly rttMs: number | undefined;
  readonly oneWayMs: number | undefined;
  readonly loss: number;
  readonly score: number;
  /** With the chosen path. */
  readonly correlation: number;
}

/** All there is between this router and one other: probes of every path, what they tell, and which path is taken. */
export class PeerLink {
  readonly #score: ScorePath;
  readonly #send: (via: number, body: ControlBody) => void;
  readonly #paths = new Map<number, ProbedPath>([[NO_TAG, new ProbedPath(NO_TAG)]]);
  readonly #scores = new Map<number, number>();
  readonly #heard = new Map<number, ProbesHeard>();
  readonly chooser = new PathChooser();
  #nextNumber = 1;
  #busyUntil: Millis = Number.NEGATIVE_INFINITY;
  /** Since when probes leave fast enough for their absence to mean something. */
  #busySince: Millis = 0;
  #scoreAt: Millis = 0;
  #isAlive = false;
  deadline: Millis;

  /** `send`: a message to the other router, by the router `via` or directly. */
  constructor(score: ScorePath, send: (via: number, body: ControlBody) => void, now: Millis) {
    this.#score = score;
    this.#send = send;
    this.deadline = now;
  }

  /** Round trip of the direct path. */
  get rttMs(): number | undefined {
    return this.#paths.get(NO_TAG)?.rttMs;
  }
  /** By any path, as last judged. */
  get isAlive(): boolean {
    return this.#isAlive;
  }

  /** Routers that may stand between. Those in use stay until they are gone. */
  between(candidates: readonly number[]): void {
    const { chosen, standby } = this.chooser;
    const wanted = [...candidates].sort((a, b) => keep(b) - keep(a)).slice(0, MAX_BETWEEN);
    function keep(via: number): number {
      return via === chosen || via === standby ? 1 : 0;
    }
    for (const via of this.#paths.keys())
      if (via !== NO_TAG && !wanted.includes(via)) this.#paths.delete(via);
    for (const via of wanted) if (!this.#paths.has(via)) this.#paths.set(via, new ProbedPath(via));
  }

  /** A datagram is about to go to the other router: from now on the paths are watched closely. */
  busy(now: Millis): void {
    const wasIdle = now > this.#busyUntil;
    this.#busyUntil = now + BUSY_MS;
    if (!wasIdle) return;
    this.#busySince = now;
    this.deadline = now;
  }

  tick(now: Millis): void {
    if (now < this.deadline) return;
    const isBusy = now <= this.#busyUntil;
    this.deadline = now + (isBusy ? BUSY_PROBE_MS : IDLE_PROBE_MS);
    this.#judge(now);
    const number = this.#nextNumber++;
    for (const path of this.#paths.values()) {
      path.sent(number, now);
      this.#send(path.via, { kind: 'probe', number, time: wireTime(now) });
    }
  }

  /** A probe of the other router came by `via`: it is answered the same way, with all we know. */
  probed(via: number, number: number, time: number, now: Millis): string | undefined {
    let heard = this.#heard.get(via);
    if (heard === undefined) {
      if (this.#heard.size > MAX_BETWEEN * 2) this.#heard.delete(this.#heard.keys().next().value as number);
      this.#heard.set(via, (heard = new ProbesHeard(via)));
    }
    if (!heard.note(number, time, now)) return 'replayed-control';
    const records: PathRecord[] = [...this.#heard.values()].map(h => h.record());
    this.#send(via, { kind: 'answer', number, time, records });
    return undefined;
  }

  answered(via: number, number: number, records: readonly PathRecord[], now: Millis): string | undefined {
    if (this.#paths.get(via)?.answered(number, now) !== true) return 'replayed-control';
    for (const record of records) this.#paths.get(record.via)?.told(record, now);
    return undefined;
  }

  #judge(now: Millis): void {
    if (now >= this.#scoreAt) {
      this.#scoreAt = now + SCORE_EVERY_MS;
      for (const path of this.#paths.values()) this.#scores.set(path.via, this.#scoreOf(path, now));
    }
    const candidates: Candidate[] = [];
    for (const path of this.#paths.values())
      candidates.push({
        via: path.via,
        state: this.#state(path, now),
        score: this.#scores.get(path.via) ?? this.#scoreOf(path, now),
      });
    this.#isAlive = candidates.some(c => c.state !== 'dead');
    this.chooser.judge(candidates, (via, chosen) => this.#correlation(via, chosen, now), now);
  }

  #scoreOf(path: ProbedPath, now: Millis): number {
    return this.#score(fatesOf(path, this.#nextNumber, now), this.#oneWayMs(path) ?? 0, path.jitterMs);
  }

  #correlation(via: number, chosen: number, now: Millis): number {
    const [a, b] = [this.#paths.get(via), this.#paths.get(chosen)];
    return a === undefined || b === undefined ? 0 : correlation(a, b, this.#nextNumber, now);
  }

  /** Half the round trip of the quickest path, and by how much this one takes longer in this direction. */
  #oneWayMs(path: ProbedPath): number | undefined {
    let quickest: ProbedPath | undefined;
    for (const p of this.#paths.values())
      if (
        p.rttMs !== undefined &&
        p.transitMs !== undefined &&
        p.rttMs < (quickest?.rttMs ?? Number.POSITIVE_INFINITY)
      )
        quickest = p;
    if (quickest === undefined || path.transitMs === undefined) return undefined;
    return Math.max(0, (quickest.rttMs as number) / 2 + path.transitMs - (quickest.transitMs as number));
  }

  #state(path: ProbedPath, now: Millis): PathState {
    if (path.provenAt === undefined) return 'dead';
    if (now > this.#busyUntil) return now - path.provenAt > IDLE_DEAD_MS ? 'dead' : 'alive';
    const firstAnswer = this.#busySince + (path.rttMs ?? 0);
    const silentMs = now - Math.max(path.provenAt, firstAnswer);
    if (silentMs > this.#deadMs(path, now)) return 'dead';
    return silentMs > DOUBT_MS + 2 * path.jitterMs ? 'doubt' : 'alive';
  }

  /** On a path that loses much, a few lost probes in a row prove nothing; meanwhile the standby is used as well. */
  #deadMs(path: ProbedPath, now: Millis): number {
    const loss = Math.min(0.8, lossOf(fatesOf(path, this.#nextNumber, now)) + 0.02);
    const probes = Math.ceil(Math.log(DEAD_SURE) / Math.log(loss));
    return Math.min(MAX_DEAD_MS, Math.max(DEAD_MS, probes * BUSY_PROBE_MS) + 2 * path.jitterMs);
  }

  views(now: Millis): PathView[] {
    return [...this.#paths.values()].map(path => ({
      via: path.via,
      state: this.#state(path, now),
      rttMs: path.rttMs,
      oneWayMs: this.#oneWayMs(path),
      loss: lossOf(fatesOf(path, this.#nextNumber, now)),
      score: this.#scores.get(path.via) ?? 1,
      correlation:
        path.via === this.chooser.chosen ? 1 : this.#correlation(path.via, this.chooser.chosen, now),
    }));
  }
}
