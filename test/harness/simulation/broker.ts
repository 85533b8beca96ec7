import type { KvEntry } from '../../../src/bus/kv.ts';
import { isUnder } from '../../../src/bus/kv.ts';
import type { Clock, Json } from '../../../src/contract.ts';
import type { Random } from '../../../src/kit/random.ts';
import { SimWire } from './wire.ts';

/** After so long without a byte both ends give a connection up, as NATS does after two pings. */
const GIVEN_UP_MS = 10_000;

export type KvOperation =
  | { readonly type: 'get'; readonly key: string }
  | { readonly type: 'write'; readonly key: string; readonly text: string; readonly revision: number | 'new' }
  | { readonly type: 'delete'; readonly key: string; readonly revision: number | undefined }
  | { readonly type: 'keys'; readonly prefix: string };

export type KvChange = (key: string, entry: KvEntry | undefined) => void;

interface Server {
  readonly process: string;
  readonly matches: (subject: string) => boolean;
  readonly ask: (data: string, subject: string) => Promise<string>;
}
interface Listener {
  readonly process: string;
  readonly matches: (subject: string) => boolean;
  readonly tell: (data: string, subject: string) => void;
}
interface Watcher {
  readonly process: string;
  readonly prefix: string;
  /** What is there now. */
  readonly begin: (there: ReadonlyMap<string, KvEntry>) => void;
  readonly tell: KvChange;
}

/**
 * A bus server of the simulation, between processes that can be killed, cut off and slowed, under a clock the test
 * moves. Behaves as NATS over TCP: each connection is in order, a short cut delays, a long one loses what was under way.
 */
export class SimBroker {
  readonly clock: Clock;
  readonly #random: Random;
  /** Of one way between a process and the server, ms. */
  delayMs: readonly [number, number] = [0.2, 2];
  readonly #wires = new Map<string, SimWire>();
  readonly #servers = new Set<Server>();
  readonly #listeners = new Set<Listener>();
  readonly #watchers = new Set<Watcher>();
  readonly #kept = new Map<string, { text: string; revision: number }>();
  #revision = 0;

  constructor(clock: Clock, random: Random) {
    this.clock = clock;
    this.#random = random;
  }

  /** The connection of a process that starts. */
  connect(process: string): SimWire {
    const delay = (): number => {
      const [least, most] = this.delayMs;
      return least + this.#random() * (most - least);
    };
    const wire = new SimWire(this.clock, delay, GIVEN_UP_MS, () => this.#forget(process));
    this.#wires.set(process, wire);
    return wire;
  }

  /** The process is gone: nothing of it runs any more. `silent`: with its host, so that the server waits for it. */
  kill(process: string, silent = false): void {
    this.#wires.get(process)?.end();
    this.#wires.delete(process);
    if (!silent) return this.#forget(process);
    this.clock.at(this.clock.now() + GIVEN_UP_MS, () => this.#forget(process));
  }
  /** Nothing passes between `process` and the server until it is healed. */
  cut(process: string): void {
    this.#wires.get(process)?.cut();
  }
  heal(process: string): void {
    this.#wires.get(process)?.heal();
  }
  /** The server is gone, until all are healed. */
  stop(): void {
    for (const [process, wire] of this.#wires) {
      this.#forget(process);
      wire.lose();
    }
  }
  /** The server ends and is there again at once; what it kept may be gone. Every process connects anew. */
  restart(loses: boolean): void {
    if (loses) this.#kept.clear();
    for (const process of [...this.#wires.keys()]) this.#forget(process);
    for (const wire of this.#wires.values()) wire.reset();
  }

  /** What the server does for a process: one for each thing that process stands for. */
  standing(process: string): number {
    let count = 0;
    for (const set of [this.#servers, this.#listeners, this.#watchers] as Set<{ process: string }>[])
      for (const one of set) if (one.process === process) count++;
    return count;
  }
  /** Processes that have something standing here. */
  get processes(): Set<string> {
    return new Set([...this.#servers, ...this.#listeners, ...this.#watchers].map(one => one.process));
  }

  /** Keys of the store, as an onlooker sees them. */
  stored(prefix: string): Map<string, Json> {
    const under = [...this.#kept].filter(([key]) => isUnder(prefix, key));
    return new Map(under.map(([key, { text }]) => [key, JSON.parse(text) as Json]));
  }

  serve(server: Server): () => void {
    this.#servers.add(server);
    return () => void this.#servers.delete(server);
  }
  subscribe(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }
  watch(watcher: Watcher): () => void {
    this.#watchers.add(watcher);
    const there = [...this.#kept].filter(([key]) => isUnder(watcher.prefix, key));
    watcher.begin(new Map(there.map(([key, kept]) => [key, entryOf(kept)])));
    return () => void this.#watchers.delete(watcher);
  }

  publish(data: string, subject: string): void {
    for (const l of [...this.#listeners]) if (l.matches(subject)) l.tell(data, subject);
  }

  /** Resolves with the reply's text; undefined: nobody serves it. Never, when the server of it dies. */
  async request(data: string, subject: string): Promise<string | undefined> {
    const able = [...this.#servers].filter(s => s.matches(subject));
    const server = able[Math.floor(this.#random() * able.length)];
    return server?.ask(data, subject);
  }

  operate(o: KvOperation): Json | KvEntry | undefined | string[] {
    if (o.type === 'keys') return [...this.#kept.keys()].filter(key => isUnder(o.prefix, key));
    const kept = this.#kept.get(o.key);
    if (o.type === 'get') return kept && entryOf(kept);
    if (o.type === 'delete') {
      if (kept === undefined || (o.revision !== undefined && o.revision !== kept.revision)) return false;
      this.#kept.delete(o.key);
      this.#revision++;
      this.#changed(o.key);
      return true;
    }
    if (o.revision === 'new' ? kept !== undefined : kept?.revision !== o.revision) return undefined;
    this.#kept.set(o.key, { text: o.text, revision: ++this.#revision });
    this.#changed(o.key);
    return this.#revision;
  }

  #changed(key: string): void {
    const kept = this.#kept.get(key);
    for (const w of [...this.#watchers])
      if (isUnder(w.prefix, key)) w.tell(key, kept === undefined ? undefined : entryOf(kept));
  }

  /** The server gave up the connection: it sends nothing there any more. */
  #forget(process: string): void {
    for (const set of [this.#servers, this.#listeners, this.#watchers] as Set<{ process: string }>[])
      for (const one of set) if (one.process === process) set.delete(one);
  }
}

const entryOf = ({ text, revision }: { text: string; revision: number }): KvEntry => ({
  value: JSON.parse(text) as Json,
  revision,
});
