import type { Clock, Json } from '../contract.ts';
import { refuse } from '../kit/refusal.ts';
import type { Bus, BusState } from './port.ts';

/**
 * One process's end of a bus that all share, in a simulation: what it says and hears takes a while, and it may be
 * `silent` (cut off, and nobody has noticed), `cut` (and it knows), or `dead` with its process.
 */
export class BusEnd implements Bus {
  readonly kv: Bus['kv'];
  readonly events: Bus['events'];
  readonly #bus: Bus;
  readonly #clock: Clock;
  readonly #delayMs: () => number;
  readonly #states = new Set<(s: BusState) => void>();
  readonly #undo = new Set<() => void>();
  #mode: 'up' | 'silent' | 'cut' | 'dead' = 'up';
  /** What it says arrives in order. */
  #last = 0;

  constructor(bus: Bus, clock: Clock, delayMs: () => number) {
    this.#bus = bus;
    this.#clock = clock;
    this.#delayMs = delayMs;
    this.kv = bus.kv;
    this.events = bus.events;
  }

  get mode(): 'up' | 'silent' | 'cut' | 'dead' {
    return this.#mode;
  }

  become(mode: 'up' | 'silent' | 'cut' | 'dead'): void {
    const [was, is] = [stateOf(this.#mode), stateOf(mode)];
    this.#mode = mode;
    if (mode === 'dead') for (const undo of this.#undo) undo();
    else if (was !== is) for (const on of [...this.#states]) on(is);
  }

  async request(subject: string, data: Json, options: { readonly timeoutMs: number }): Promise<Json> {
    if (this.#mode === 'cut') throw refuse('server', 'bus-down', 'There is no connection to the bus.');
    const gaveUp = new Promise<never>((_, reject) =>
      this.#clock.at(this.#clock.now() + options.timeoutMs, () =>
        reject(refuse('server', 'timeout', `Nothing answered on ${subject}.`)),
      ),
    );
    const asked = this.#later().then(() => {
      if (this.#mode !== 'up') return new Promise<Json>(() => {});
      return this.#bus.request(subject, data, { timeoutMs: 3_600_000 });
    });
    const answered = asked.then(
      async answer => {
        await this.#arrives();
        return answer;
      },
      async error => {
        await this.#arrives();
        throw error;
      },
    );
    return Promise.race([gaveUp, answered]);
  }

  serve(subject: string, handler: (data: Json) => Promise<Json> | Json): () => void {
    return this.#held(
      this.#bus.serve(subject, async data => {
        await this.#arrives();
        const answer = await handler(data);
        await this.#arrives(); // a word of one that is cut off by now reaches nobody
        return answer;
      }),
    );
  }

  publish(subject: string, data: Json): void {
    if (this.#mode !== 'up') return;
    void this.#later().then(() => {
      if (this.#mode === 'up') this.#bus.publish(subject, data);
    });
  }

  subscribe(pattern: string, on: (data: Json, subject: string) => void): () => void {
    return this.#held(
      this.#bus.subscribe(pattern, (data, subject) => {
        if (this.#mode === 'up') on(data, subject);
      }),
    );
  }

  onState(on: (state: BusState) => void): () => void {
    on(stateOf(this.#mode));
    this.#states.add(on);
    return () => void this.#states.delete(on);
  }

  async close(): Promise<void> {
    this.become('dead');
  }

  #held(undo: () => void): () => void {
    this.#undo.add(undo);
    return () => {
      this.#undo.delete(undo);
      undo();
    };
  }

  #later(): Promise<void> {
    this.#last = Math.max(this.#last, this.#clock.now() + this.#delayMs());
    return new Promise(done => this.#clock.at(this.#last, done));
  }

  /** Never resolves where nothing gets through. */
  #arrives(): Promise<void> {
    return this.#mode === 'up' ? Promise.resolve() : new Promise(() => {});
  }
}

const stateOf = (mode: string): BusState => (mode === 'cut' ? 'down' : 'up');
