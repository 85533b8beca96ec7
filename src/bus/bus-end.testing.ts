import type { Clock, Json } from '../contract.ts';
import { refuse } from '../kit/refusal.ts';
import type { KeyValue } from './kv.ts';
import type { Bus, BusState } from './port.ts';
import { downRefusal } from './wire.ts';

type Mode = 'up' | 'silent' | 'cut' | 'dead';

/**
 * One process's end of a bus that all share, under a clock the test moves: what it says takes a while, and it may be
 * `silent` (cut off, and nobody has noticed), `cut` (and it knows), or `dead` with its process. For tests of a few parts;
 * `test/harness/simulation` has the bus of the whole system, which loses and delays as connections do.
 */
export class BusEnd implements Bus {
  readonly kv: KeyValue;
  readonly events: Bus['events'];
  readonly #bus: Bus;
  readonly #clock: Clock;
  readonly #delayMs: () => number;
  readonly #states = new Set<(s: BusState) => void>();
  readonly #undo = new Set<() => void>();
  /** Each begins anew when the store is there again, and is told what is in it then. */
  readonly #watches = new Set<() => void>();
  #mode: Mode = 'up';
  /** What it says arrives in order. */
  #last = 0;

  constructor(bus: Bus, clock: Clock, delayMs: () => number = () => 0) {
    this.#bus = bus;
    this.#clock = clock;
    this.#delayMs = delayMs;
    this.kv = this.#store(bus.kv);
    this.events = bus.events;
  }

  get mode(): Mode {
    return this.#mode;
  }

  become(mode: Mode): void {
    const [was, is] = [stateOf(this.#mode), stateOf(mode)];
    const isBack = mode === 'up' && this.#mode !== 'up';
    this.#mode = mode;
    if (mode === 'dead') for (const undo of this.#undo) undo();
    else if (was !== is) for (const on of [...this.#states]) on(is);
    if (isBack) for (const begin of [...this.#watches]) begin();
  }

  async request(subject: string, data: Json, options: { readonly timeoutMs: number }): Promise<Json> {
    if (this.#mode === 'cut' || this.#mode === 'dead') throw downRefusal();
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

  /** Nothing is asked of the store, nor told by it, while nothing gets through. */
  #store(kv: KeyValue): KeyValue {
    const through = async <T>(run: () => Promise<T>): Promise<T> => {
      if (this.#mode === 'cut' || this.#mode === 'dead') throw downRefusal();
      await this.#arrives();
      const answer = await run();
      if (this.#mode !== 'up') throw downRefusal();
      return answer;
    };
    return {
      get: key => through(() => kv.get(key)),
      create: (key, value) => through(() => kv.create(key, value)),
      update: (key, value, revision) => through(() => kv.update(key, value, revision)),
      delete: (key, revision) => through(() => kv.delete(key, revision)),
      keys: prefix => through(() => kv.keys(prefix)),
      watch: (prefix, on) => {
        let undo = (): void => {};
        const begin = (): void => {
          undo();
          undo = kv.watch(prefix, (key, entry) => this.#mode === 'up' && on(key, entry));
        };
        begin();
        this.#watches.add(begin);
        return () => {
          undo();
          this.#watches.delete(begin);
        };
      },
    };
  }

  #later(): Promise<void> {
    const delayMs = this.#delayMs();
    if (delayMs === 0 && this.#last <= this.#clock.now()) return Promise.resolve();
    this.#last = Math.max(this.#last, this.#clock.now() + delayMs);
    return new Promise(done => this.#clock.at(this.#last, done));
  }

  /** Never resolves where nothing gets through. */
  #arrives(): Promise<void> {
    return this.#mode === 'up' ? Promise.resolve() : new Promise(() => {});
  }
}

const stateOf = (mode: string): BusState => (mode === 'cut' ? 'down' : 'up');
