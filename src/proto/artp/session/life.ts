import type { Millis, Termination } from '../../../contract.ts';
import { NEVER } from '../../../kit/core.ts';
import { Farewell } from './farewell.ts';
import { Liveness } from './liveness.ts';
import type { SessionEvent, SessionState, SessionTimes } from './types.ts';

/** The states a session goes through, what is told of them, and how it ends: by silence, by CLOSE, by RESET. */
export class Life {
  readonly #times: SessionTimes;
  readonly #lostBy: Termination['blame'];
  readonly #live: Liveness;
  readonly #events: SessionEvent[] = [];
  #state: SessionState = 'opening';
  #ended = false;
  farewell: Farewell | undefined;

  /** `lostBy`: who is to blame when nothing is heard any more. */
  constructor(times: SessionTimes, lostBy: Termination['blame'], now: Millis) {
    this.#times = times;
    this.#lostBy = lostBy;
    this.#live = new Liveness(times, now);
  }

  get state(): SessionState {
    return this.#state;
  }
  /** Nothing comes after it. */
  get hasEnded(): boolean {
    return this.#ended;
  }
  get deadline(): Millis {
    if (this.#ended) return NEVER;
    return this.farewell?.deadline ?? this.#live.deadline;
  }

  tell(e: SessionEvent): void {
    if (!this.#ended) this.#events.push(e);
  }
  nextEvent(): SessionEvent | undefined {
    return this.#events.shift();
  }

  /** Something authentic came, and (`ready`) a path has answered. True: that changes the state. */
  heard(ready: boolean, now: Millis): boolean {
    this.#live.heard(ready, now);
    return this.#live.state !== this.#state;
  }
  /** Something was asked: silence means something from now on. */
  asked(now: Millis): void {
    this.#live.asked(now);
  }

  /** True when the state has just changed, not to `gone`. */
  turn(now: Millis): boolean {
    this.#live.tick(now);
    const { state } = this.#live;
    if (state === this.#state) return false;
    if (state !== 'gone') {
      this.#state = state;
      this.tell({ type: 'state', state });
      return true;
    }
    const seconds = Math.round(this.#times.keepMs / 1000);
    const text = `Nothing was heard from the other side of the aRTP session for ${seconds} s.`;
    this.end({ blame: this.#lostBy, reason: 'session-lost', text });
    return false;
  }

  /** The other side is still to be told. */
  depart(why: Termination, now: Millis): void {
    this.farewell = new Farewell(why, now);
    this.#turnGone();
  }

  end(why: Termination): void {
    if (this.#ended) return;
    this.#turnGone();
    this.tell({ type: 'ended', why });
    this.#ended = true;
  }

  #turnGone(): void {
    this.#live.end();
    if (this.#state === 'gone') return;
    this.#state = 'gone';
    this.tell({ type: 'state', state: 'gone' });
  }
}
