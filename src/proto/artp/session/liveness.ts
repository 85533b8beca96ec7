import type { Millis } from '../../../contract.ts';
import { NEVER } from '../../../kit/core.ts';
import type { SessionState, SessionTimes } from './types.ts';

/** A question that stays open this much less than `suspectMs` makes a suspect: it was asked after some silence. */
const ASKED_EARLIER_MS = 500;

/**
 * What silence makes of a session.
 * ```
 * opening ── a path answers ──► active ── asked, and nothing for suspectMs ──► suspect ── detachMs ──► detached
 *                                 ▲                                              │                       │
 *                                 └────────────── anything authentic ────────────┴───────────────────────┤
 *                                                                              keepMs since the last ──► gone
 * ```
 */
export class Liveness {
  readonly #times: SessionTimes;
  #state: SessionState = 'opening';
  #heardAt: Millis;
  /** When something was first asked since. An idle session is silent for long, and well. */
  #askedAt: Millis | undefined;

  constructor(times: SessionTimes, now: Millis) {
    this.#times = times;
    this.#heardAt = now;
  }

  get state(): SessionState {
    return this.#state;
  }
  get heardAt(): Millis {
    return this.#heardAt;
  }

  /** Something authentic came, and (`ready`) a path has answered. */
  heard(ready: boolean, now: Millis): void {
    if (this.#state === 'gone') return;
    this.#heardAt = now;
    this.#askedAt = undefined;
    if (this.#state === 'opening' ? ready : this.#state !== 'active') this.#state = 'active';
  }

  asked(now: Millis): void {
    this.#askedAt ??= now;
  }

  end(): void {
    this.#state = 'gone';
  }

  tick(now: Millis): void {
    if (this.#state === 'gone') return;
    if (now >= this.#heardAt + this.#times.keepMs) this.#state = 'gone';
    else if (this.#state === 'opening') return;
    else if (now >= this.#detachAt()) this.#state = 'detached';
    else if (now >= this.#suspectAt() && this.#state === 'active') this.#state = 'suspect';
  }

  get deadline(): Millis {
    const goneAt = this.#heardAt + this.#times.keepMs;
    switch (this.#state) {
      case 'gone':
        return NEVER;
      case 'active':
        return Math.min(goneAt, this.#suspectAt());
      case 'suspect':
        return Math.min(goneAt, this.#detachAt());
      default:
        return goneAt;
    }
  }

  #suspectAt(): Millis {
    const { suspectMs } = this.#times;
    if (this.#askedAt === undefined) return NEVER;
    return Math.max(this.#heardAt + suspectMs, this.#askedAt + suspectMs - ASKED_EARLIER_MS);
  }
  #detachAt(): Millis {
    const { suspectMs, detachMs } = this.#times;
    return this.#askedAt === undefined ? NEVER : this.#suspectAt() + detachMs - suspectMs;
  }
}
