import type { Clock, Json } from '../../src/contract.ts';
import { Alarm } from '../../src/io/alarm.ts';
import type { Session } from '../../src/proto/artp/session/session.ts';
import type { SessionEvent } from '../../src/proto/artp/session/types.ts';

/** Runs a session: after everything done with it, `turn` takes what it has to say and arms its timer. */
export class Running {
  readonly session: Session;
  readonly #clock: Clock;
  readonly #on: (e: SessionEvent) => void;
  #busy = false;
  #stopped = false;
  readonly #alarm: Alarm;

  constructor(session: Session, clock: Clock, on: (e: SessionEvent) => void) {
    this.session = session;
    this.#clock = clock;
    this.#on = on;
    this.#alarm = new Alarm(clock, now => this.#ring(now));
    this.turn();
  }

  /** Ignored once stopped. */
  say(message: object): void {
    if (this.#stopped) return;
    this.session.say(message as Json, this.#clock.now());
    this.turn();
  }

  /** What is done to the session while its events are told is seen by the turn that tells them. */
  turn(): void {
    if (this.#busy || this.#stopped) return;
    this.#busy = true;
    try {
      for (let e = this.session.poll(); e !== undefined; e = this.session.poll()) this.#on(e);
    } finally {
      this.#busy = false;
    }
    this.#alarm.set(this.session.deadline);
  }

  /** Disarms the timer; nothing is told any more. Idempotent. */
  stop(): void {
    this.#stopped = true;
    this.#alarm.stop();
  }

  #ring(now: number): void {
    if (now >= this.session.deadline) this.session.tick(now);
    this.turn();
  }
}
