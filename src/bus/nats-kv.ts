import { JetStreamApiCodes, JetStreamApiError } from '@nats-io/jetstream';
import type { KvEntry as NatsEntry } from '@nats-io/kv';
import type { Clock, Json } from '../contract.ts';
import { checkKey, type KeyValue, type KvEntry } from './kv.ts';
import { BUCKET, type NatsStore, type OpenStore } from './nats-store.ts';
import type { Unsubscribe } from './port.ts';
import { decode, encode } from './wire.ts';

/** Somebody wrote since. */
const WRONG_LAST_SEQUENCE: readonly number[] = [
  JetStreamApiCodes.StreamWrongLastSequence,
  JetStreamApiCodes.StreamWrongLastSequenceUnknown,
];
/** A revision tells its store too: the sequence numbers of one fit below this. */
const SEQUENCES = 2 ** 32;
/** How long the mark of a deletion stays for those who watch. */
const MARK_MS = 10_000;
const WATCH_AGAIN_MS = 1000;

export interface NatsKvOptions {
  readonly store: NatsStore;
  readonly clock: Clock;
  readonly payloadBytes: number;
  readonly count: (reason: string) => void;
  /** Runs a watcher: nothing it throws comes back. */
  readonly guard: (run: () => void, subject: string) => void;
}

/** NATS knows no `%` in keys, and `subjectWord` no `=`. */
const toNats = (key: string): string => key.replaceAll('%', '=');
const fromNats = (key: string): string => key.replaceAll('=', '%');

/** The bucket of a NATS server. */
export class NatsKeyValue implements KeyValue {
  readonly #o: NatsKvOptions;
  readonly #watches = new Set<Watch>();
  readonly #timers = new Set<() => void>();

  constructor(options: NatsKvOptions) {
    this.#o = options;
  }

  async get(key: string): Promise<KvEntry | undefined> {
    checkKey(key);
    return this.#o.store.use(async store => entryOf(await store.kv.get(toNats(key)), store));
  }

  async create(key: string, value: Json): Promise<number | undefined> {
    checkKey(key);
    const text = encode(value, this.#o.payloadBytes, key);
    return this.#swap(async store => revisionOf(await store.kv.create(toNats(key), text), store));
  }

  async update(key: string, value: Json, revision: number): Promise<number | undefined> {
    checkKey(key);
    const text = encode(value, this.#o.payloadBytes, key);
    return this.#swap(async store => {
      const sequence = sequenceOf(revision, store);
      if (sequence === undefined) return undefined;
      return revisionOf(await store.kv.update(toNats(key), text, sequence), store);
    });
  }

  async delete(key: string, revision?: number): Promise<boolean> {
    checkKey(key);
    const done = await this.#swap(async store => {
      const there = entryOf(await store.kv.get(toNats(key)), store);
      if (there === undefined || there.revision !== (revision ?? there.revision)) return undefined;
      await store.kv.delete(toNats(key), { previousSeq: there.revision % SEQUENCES });
      return true;
    });
    if (done) this.#sweepLater(key);
    return done === true;
  }

  async keys(prefix: string): Promise<string[]> {
    checkKey(prefix);
    return this.#o.store.use(store => keysUnder(store, prefix));
  }

  watch(prefix: string, on: (key: string, entry: KvEntry | undefined) => void): Unsubscribe {
    checkKey(prefix);
    const watch = new Watch(prefix, on, this.#o);
    this.#watches.add(watch);
    watch.restart();
    return () => {
      this.#watches.delete(watch);
      watch.stop();
    };
  }

  /** The server is back, perhaps without what it kept: whoever watches is told what is there now. */
  restart(): void {
    for (const watch of this.#watches) watch.restart();
  }

  close(): void {
    for (const watch of this.#watches) watch.stop();
    for (const disarm of this.#timers) disarm();
    this.#watches.clear();
    this.#timers.clear();
  }

  /** Undefined when somebody was first. */
  async #swap<T>(ask: (store: OpenStore) => Promise<T | undefined>): Promise<T | undefined> {
    try {
      return await this.#o.store.use(ask);
    } catch (error) {
      if (error instanceof JetStreamApiError && WRONG_LAST_SEQUENCE.includes(error.code)) return undefined;
      throw error;
    }
  }

  /** A deletion leaves a mark in the stream; without this every room that ever was would. */
  #sweepLater(key: string): void {
    const { clock, store } = this.#o;
    const disarm = clock.at(clock.now() + MARK_MS, () => {
      this.#timers.delete(disarm);
      const sweep = async ({ kv, manager }: OpenStore): Promise<void> => {
        const entry = await kv.get(toNats(key));
        if (entry === null || entry.operation === 'PUT') return;
        // Up to the mark and not beyond: the key may have been made anew since.
        const filter = `$KV.${BUCKET}.${toNats(key)}`;
        await manager.streams.purge(`KV_${BUCKET}`, { filter, seq: entry.revision + 1 });
      };
      store.use(sweep).catch(() => this.#o.count('mark-kept'));
    });
    this.#timers.add(disarm);
  }
}

/** One watcher: what it was told last, and the iterator that tells more. */
class Watch {
  readonly #prefix: string;
  readonly #on: (key: string, entry: KvEntry | undefined) => void;
  readonly #o: NatsKvOptions;
  readonly #told = new Map<string, number>();
  /** Counts the starts: one that was overtaken says nothing more. */
  #run = 0;
  #stop: () => void = () => {};
  #disarm: () => void = () => {};

  constructor(prefix: string, on: (key: string, entry: KvEntry | undefined) => void, options: NatsKvOptions) {
    this.#prefix = prefix;
    this.#on = on;
    this.#o = options;
  }

  restart(): void {
    const run = ++this.#run;
    this.#stop();
    this.#disarm();
    const { store, clock } = this.#o;
    const again = (): void => {
      if (run === this.#run) this.#disarm = clock.at(clock.now() + WATCH_AGAIN_MS, () => this.restart());
    };
    store.use(open => this.#follow(open, run)).then(again, again);
  }

  stop(): void {
    this.#run++;
    this.#stop();
    this.#disarm();
  }

  /** Resolves when the iterator ends. */
  async #follow(store: OpenStore, run: number): Promise<void> {
    const there = new Set(await keysUnder(store, this.#prefix));
    if (run !== this.#run) return;
    for (const key of [...this.#told.keys()]) if (!there.has(key)) this.#tell(key, undefined);
    const changes = await store.kv.watch({ key: allUnder(this.#prefix) });
    if (run !== this.#run) return changes.stop();
    this.#stop = () => changes.stop();
    for await (const change of changes) {
      if (run !== this.#run) return;
      this.#tell(fromNats(change.key), entryOf(change, store));
    }
  }

  /** Once each: what is told at every start may be known. */
  #tell(key: string, entry: KvEntry | undefined): void {
    if (this.#told.get(key) === entry?.revision) return;
    if (entry === undefined) this.#told.delete(key);
    else this.#told.set(key, entry.revision);
    this.#o.guard(() => this.#on(key, entry), key);
  }
}

const allUnder = (prefix: string): string => `${toNats(prefix)}.>`;

async function keysUnder({ kv }: OpenStore, prefix: string): Promise<string[]> {
  const keys: string[] = [];
  for await (const key of await kv.keys(allUnder(prefix))) keys.push(fromNats(key));
  return keys;
}

const revisionOf = (sequence: number, { generation }: OpenStore): number => generation * SEQUENCES + sequence;

/** Undefined: `revision` is of a store that is gone. */
const sequenceOf = (revision: number, { generation }: OpenStore): number | undefined =>
  Math.floor(revision / SEQUENCES) === generation ? revision % SEQUENCES : undefined;

function entryOf(entry: NatsEntry | null, store: OpenStore): KvEntry | undefined {
  if (entry === null || entry.operation !== 'PUT') return undefined;
  return { value: decode(entry.string()) ?? null, revision: revisionOf(entry.revision, store) };
}
