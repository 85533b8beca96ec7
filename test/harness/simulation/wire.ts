import type { Clock } from '../../../src/contract.ts';

/** One process's connection to the simulated server: both ways in order, delayed, held while cut, lost when cut for long. */
export class SimWire {
  readonly #clock: Clock;
  readonly #delayMs: () => number;
  readonly #givenUpMs: number;
  readonly #onLost: () => void;
  /** When the last thing on its way arrives: nothing overtakes it. */
  readonly #last = { up: 0, down: 0 };
  readonly #states = new Set<(up: boolean) => void>();
  #held: (() => void)[] = [];
  #state: 'up' | 'cut' | 'lost' | 'ended' = 'up';
  /** Counts connections: what was sent on one never arrives on the next. */
  #connection = 0;
  /** It is cut off, and the server is another one by now. */
  #reset = false;
  #disarm: () => void = () => {};

  /** `onLost`: the server's end gave the connection up. */
  constructor(clock: Clock, delayMs: () => number, givenUpMs: number, onLost: () => void) {
    this.#clock = clock;
    this.#delayMs = delayMs;
    this.#givenUpMs = givenUpMs;
    this.#onLost = onLost;
  }

  get isUp(): boolean {
    return this.#state === 'up' || this.#state === 'cut';
  }

  onState(on: (up: boolean) => void): () => void {
    this.#states.add(on);
    return () => void this.#states.delete(on);
  }

  /** `arrive` runs at the other end, unless the connection ends before. */
  pass(way: 'up' | 'down', arrive: () => void): void {
    if (!this.isUp) return;
    const connection = this.#connection;
    const at = Math.max(this.#last[way], this.#clock.now() + this.#delayMs());
    this.#last[way] = at;
    this.#clock.at(at, () => {
      if (connection !== this.#connection) return;
      if (this.#state === 'cut') this.#held.push(arrive);
      else arrive();
    });
  }

  cut(): void {
    if (this.#state !== 'up') return;
    this.#state = 'cut';
    this.#disarm = this.#clock.at(this.#clock.now() + this.#givenUpMs, () => {
      this.#drop('lost');
      this.#onLost();
    });
  }

  /** What was held arrives, in order; a connection that was given up is made anew. */
  heal(): void {
    if (this.#state === 'cut' && this.#reset) this.#drop('lost');
    if (this.#state === 'cut') {
      this.#disarm();
      this.#state = 'up';
      for (const arrive of this.#held.splice(0)) arrive();
    } else if (this.#state === 'lost') {
      this.#state = 'up';
      this.#tell(true);
    }
  }

  /** The server was away for a moment; who is cut off finds that out when it can. */
  reset(): void {
    if (this.#state === 'cut') {
      this.#connection++;
      this.#held = [];
      this.#reset = true;
    }
    if (this.#state !== 'up') return;
    this.#drop('lost');
    this.heal();
  }

  /** The server is gone, and everybody knows at once. */
  lose(): void {
    if (this.isUp) this.#drop('lost');
  }

  end(): void {
    this.#states.clear();
    this.#drop('ended');
  }

  #drop(to: 'lost' | 'ended'): void {
    this.#disarm();
    this.#reset = false;
    this.#state = to;
    this.#connection++;
    this.#held = [];
    this.#tell(false);
  }

  #tell(up: boolean): void {
    for (const on of [...this.#states]) on(up);
  }
}
