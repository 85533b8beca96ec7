import type { Clock } from '../../../src/contract.ts';
import { DueQueue } from '../../../src/kit/due.ts';

interface Timer {
  run: (() => void) | undefined;
}

/** Test runners want to be heard now and then. */
const BREATHE_EVERY = 2000;

/**
 * Time that passes only when it is run, in whole milliseconds. Whatever promises have to say is said before it goes on,
 * so that a run is the same every time.
 */
export class SimClock implements Clock {
  #now: number;
  readonly #due = new DueQueue<Timer>();
  #turns = 0;

  constructor(now = 1000) {
    this.#now = now;
  }

  now(): number {
    return this.#now;
  }

  at(when: number, run: () => void): () => void {
    const timer: Timer = { run };
    this.#due.push(Math.max(Math.ceil(when), this.#now), timer);
    return () => {
      timer.run = undefined;
    };
  }

  async run(ms: number): Promise<void> {
    const end = this.#now + ms;
    await this.#settle();
    while (this.#due.deadline <= end) {
      this.#now = Math.max(this.#now, this.#due.deadline);
      let rang = false;
      for (let timer: Timer | undefined; (timer = this.#due.take(this.#now)) !== undefined; )
        if (timer.run !== undefined) {
          rang = true;
          timer.run();
        }
      if (rang) await this.#settle();
    }
    this.#now = end;
  }

  /** Until no promise has anything to say: what is put into this queue waits for all of them. */
  #settle(): Promise<void> {
    if (++this.#turns % BREATHE_EVERY === 0) return new Promise(resolve => setImmediate(resolve));
    return new Promise(resolve => queueMicrotask(() => process.nextTick(resolve)));
  }
}

/** The clock of one process: nothing of it rings any more when the process is dead. */
export class ProcessClock implements Clock {
  readonly #clock: Clock;
  readonly #armed = new Set<object>();
  #dead = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Timers that run. */
  get armed(): number {
    return this.#armed.size;
  }

  now(): number {
    return this.#clock.now();
  }

  at(when: number, run: () => void): () => void {
    if (this.#dead) return () => {};
    const timer = {};
    this.#armed.add(timer);
    const disarm = this.#clock.at(when, () => {
      if (this.#armed.delete(timer)) run();
    });
    return () => {
      this.#armed.delete(timer);
      disarm();
    };
  }

  end(): void {
    this.#dead = true;
    this.#armed.clear();
  }
}
