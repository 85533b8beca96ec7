import type { Feedback } from '../../../contract.ts';
import { type Millis, NEVER } from '../../../kit/core.ts';

/**
 * A request is repeated, for it may be lost. A keyframe answers: until then it is asked for quickly. Nothing answers the
 * others: they are said quickly at first, then slowly.
 */
const QUICK = 5;
const TRIES = 20;
const SLOW_MS = 2000;
const LEAST_MS = 100;

interface Request {
  readonly f: Feedback;
  tries: number;
  at: Millis;
}

/** What the source of one track is to be told, the newest of each kind, until it was surely heard. */
export class Requests {
  readonly #open = new Map<Feedback['type'], Request>();

  get deadline(): Millis {
    let first: Millis = NEVER;
    for (const r of this.#open.values()) if (r.at < first) first = r.at;
    return first;
  }

  ask(f: Feedback, now: Millis): void {
    this.#open.set(f.type, { f, tries: 0, at: now });
  }

  /** A keyframe came. */
  keyframe(): void {
    if (this.#open.size > 0) this.#open.delete('keyframe');
  }

  /** Adds what is to be said now to `out`. */
  due(now: Millis, rttMs: number, out: Feedback[]): void {
    for (const [type, r] of this.#open) {
      if (now < r.at) continue;
      out.push(r.f);
      r.tries++;
      r.at = now + (r.tries < QUICK || type === 'keyframe' ? Math.max(LEAST_MS, rttMs * 1.2) : SLOW_MS);
      if (r.tries === TRIES) this.#open.delete(type);
    }
  }
}
