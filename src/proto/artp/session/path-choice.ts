import type { Millis } from '../../../contract.ts';
import type { Path } from './path.ts';
import type { SessionTimes } from './types.ts';

/** Better by so much, for so long: then media moves. Less is noise, and moving costs a glitch. */
const BETTER_MS = 40;
const BETTER_FOR_MS = 3000;
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
    this.active = this.#pick(udp.length > 0 ? udp : ready, preferred, now) ?? this.active ?? silent(all);
    const others = ready.filter(p => p !== this.active);
    this.standby = best(others.filter(p => p.route.kind === 'udp')) ?? best(others);
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
