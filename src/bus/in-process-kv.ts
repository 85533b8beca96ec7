import type { Json } from '../contract.ts';
import { checkKey, isUnder, type KeyValue, type KvEntry } from './kv.ts';
import type { Unsubscribe } from './port.ts';
import { closedRefusal, decode, encode } from './wire.ts';

interface Kept {
  readonly text: string;
  readonly revision: number;
}
interface Watcher {
  readonly prefix: string;
  readonly on: (key: string, entry: KvEntry | undefined) => void;
}

export interface InProcessKvOptions {
  readonly payloadBytes: number;
  readonly isClosed: () => boolean;
  /** Runs a watcher: nothing it throws comes back. */
  readonly guard: (run: () => void, subject: string) => void;
}

/** Key–value of a single process: everything goes through JSON, and is answered in a later microtask. */
export class InProcessKeyValue implements KeyValue {
  readonly #o: InProcessKvOptions;
  readonly #kept = new Map<string, Kept>();
  readonly #watchers = new Set<Watcher>();
  #revision = 0;

  constructor(options: InProcessKvOptions) {
    this.#o = options;
  }

  async get(key: string): Promise<KvEntry | undefined> {
    this.#check(key);
    return entryOf(this.#kept.get(key));
  }

  async create(key: string, value: Json): Promise<number | undefined> {
    this.#check(key);
    return this.#kept.has(key) ? undefined : this.#write(key, value);
  }

  async update(key: string, value: Json, revision: number): Promise<number | undefined> {
    this.#check(key);
    return this.#kept.get(key)?.revision === revision ? this.#write(key, value) : undefined;
  }

  async delete(key: string, revision?: number): Promise<boolean> {
    this.#check(key);
    const kept = this.#kept.get(key);
    if (kept === undefined || (revision !== undefined && kept.revision !== revision)) return false;
    this.#kept.delete(key);
    this.#revision++;
    this.#tell(key);
    return true;
  }

  async keys(prefix: string): Promise<string[]> {
    this.#check(prefix);
    return [...this.#kept.keys()].filter(key => isUnder(prefix, key));
  }

  watch(prefix: string, on: Watcher['on']): Unsubscribe {
    checkKey(prefix);
    const watcher: Watcher = { prefix, on };
    if (this.#o.isClosed()) return () => {};
    this.#watchers.add(watcher);
    for (const [key, kept] of this.#kept) if (isUnder(prefix, key)) this.#tellOne(watcher, key, kept);
    return () => void this.#watchers.delete(watcher);
  }

  close(): void {
    this.#watchers.clear();
  }

  #check(key: string): void {
    checkKey(key);
    if (this.#o.isClosed()) throw closedRefusal();
  }

  #write(key: string, value: Json): number {
    const kept: Kept = { text: encode(value, this.#o.payloadBytes, key), revision: ++this.#revision };
    this.#kept.set(key, kept);
    this.#tell(key);
    return kept.revision;
  }

  #tell(key: string): void {
    const kept = this.#kept.get(key);
    for (const watcher of this.#watchers) if (isUnder(watcher.prefix, key)) this.#tellOne(watcher, key, kept);
  }

  /** In a later microtask, as over a network. */
  #tellOne(watcher: Watcher, key: string, kept: Kept | undefined): void {
    queueMicrotask(() => {
      if (this.#watchers.has(watcher)) this.#o.guard(() => watcher.on(key, entryOf(kept)), key);
    });
  }
}

const entryOf = (kept: Kept | undefined): KvEntry | undefined =>
  kept && { value: decode(kept.text) as Json, revision: kept.revision };
