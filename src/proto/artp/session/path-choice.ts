import type { Millis } from '../../../contract.ts';
import { correlation } from '../rate/correlation.ts';
import type { Path } from './path.ts';
import type { SessionTimes } from './types.ts';

/** Better by so much, for so long: then media moves. Less is noise, and moving costs a glitch. */
const BETTER_MS = 40;
const BETTER_FOR_MS = 3000;
/** A standby that always fails together with the path in use weighs as this much delay; so often it is looked at again. */
const ALIKE_MS = 400;
const LOOK_MS = 1000;
/** What one per cent of loss is worth in milliseconds of delay: 20 % loss weighs as 100 ms. */
const LOSS_MS = 500;

/**
 * Where media goes: UDP before the stream, where the client sends before what we would choose, and else the least delay
 * and loss, with hysteresis. A dead path is left at once.
 */
export class PathChoice {
  readonly #times: SessionTimes;
  active: Path | undefined;
  standby: Path | undefined;
  #rival: Path | undefined;
  #rivalSince: Millis = 0;
  #lookedAt: Millis = Number.NEGATIVE_INFINITY;

  constructor(times: SessionTimes) {
    this.#times = times;
  }

  forget(path: Path): void {
    if (this.active === path) this.active = undefined;
    if (this.standby === path) this.standby = undefined;
    if (this.#rival === path) this.#rival = undefined;
  }

  choose(all: readonly Path[], preferred: Path | undefined, startedAt: Millis, now: Millis): void {
    const streams = now - startedAt >= this.#times.streamAfterMs;
    const ready = all.filter(p => p.state === 'ready' && (streams || p.route.kind === 'udp'));
    const udp = ready.filter(p => p.route.kind === 'udp');
    const first = udp.filter(p => p.route.first);
    const pool = first.length > 0 ? first : udp.length > 0 ? udp : ready;
    this.active = this.#pick(pool, preferred, now) ?? this.active ?? silent(all);
    const others = ready.filter(p => p !== this.active);
    const datagrams = others.filter(p => p.route.kind === 'udp');
    this.standby = this.#disjoint(datagrams.length > 0 ? datagrams : others, now);
  }

  /** The one that fails least together with the path in use, of those that are good enough not to be worse than that is worth. */
  #disjoint(others: readonly Path[], now: Millis): Path | undefined {
    const { active, standby } = this;
    if (active === undefined || others.length < 2) return others[0];
    const held = standby !== undefined && others.includes(standby) ? standby : undefined;
    if (held !== undefined && now - this.#lookedAt < LOOK_MS) return held;
    this.#lookedAt = now;
    const view = active.meter.view(now);
    const weight = (p: Path): number =>
      cost(p) + ALIKE_MS * Math.max(0, correlation(view, p.meter.view(now)) ?? 0);
    const weights = new Map(others.map(p => [p, weight(p) + (p === held ? -BETTER_MS : 0)]));
    return others.reduce((a, b) => (weights.get(b)! < weights.get(a)! ? b : a));
  }

  #pick(pool: readonly Path[], preferred: Path | undefined, now: Millis): Path | undefined {
    if (preferred !== undefined && pool.includes(preferred)) return preferred;
    const rival = best(pool);
    const { active } = this;
    if (rival === undefined || active === undefined || !pool.includes(active)) return rival;
    if (rival === active || cost(rival) > cost(active) - BETTER_MS) {
      this.#rival = undefined;
      return active;
    }
    if (this.#rival !== rival) {
      this.#rival = rival;
      this.#rivalSince = now;
    }
    if (now - this.#rivalSince < BETTER_FOR_MS) return active;
    this.#rival = undefined;
    return rival;
  }
}

/** In ms: what a listener would rather have less of. */
const cost = (p: Path): number => (p.rttMs ?? 0) / 2 + p.loss * LOSS_MS;

const best = (paths: readonly Path[]): Path | undefined =>
  paths.reduce<Path | undefined>((a, b) => (a === undefined || cost(b) < cost(a) ? b : a), undefined);

/** When nothing answers, the way that did last is as good as any. */
const silent = (all: readonly Path[]): Path | undefined =>
  all.filter(p => p.state === 'silent').sort((a, b) => b.heardAt - a.heardAt)[0];
