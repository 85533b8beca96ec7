import { JetStreamApiCodes, JetStreamApiError, type JsMsg } from '@nats-io/jetstream';
import { errors } from '@nats-io/transport-node';
import type { Json } from '../contract.ts';
import { checkKey, type KeyValue, type KvEntry } from './kv.ts';
import {
  changeOf,
  entryOf,
  revisionOf,
  SEQUENCES,
  sequenceOf,
  subjectOf,
  subjectsUnder,
  toNats,
} from './nats-entry.ts';
import { openFeed } from './nats-feed.ts';
import { BUCKET, type OpenStore } from './nats-store.ts';
import { NatsWatch, type NatsWatchOptions } from './nats-watch.ts';
import type { Unsubscribe } from './port.ts';
import { encode } from './wire.ts';

/** Somebody wrote since. */
const WRONG_LAST_SEQUENCE: readonly number[] = [
  JetStreamApiCodes.StreamWrongLastSequence,
  JetStreamApiCodes.StreamWrongLastSequenceUnknown,
];
/** How long the mark of a deletion stays for those who watch. */
const MARK_MS = 10_000;

export interface NatsKvOptions extends NatsWatchOptions {
  readonly payloadBytes: number;
}

/** The bucket of a NATS server. */
export class NatsKeyValue implements KeyValue {
  readonly #o: NatsKvOptions;
  readonly #watches = new Set<NatsWatch>();
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
    const watch = new NatsWatch(prefix, on, this.#o);
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
        const filter = subjectOf(key);
        await manager.streams.purge(`KV_${BUCKET}`, { filter, seq: entry.revision + 1 });
      };
      store.use(sweep).catch(() => this.#o.count('mark-kept'));
    });
    this.#timers.add(disarm);
  }
}

/** The library's own list can wait a minute and more for a consumer that has died. */
async function keysUnder(store: OpenStore, prefix: string): Promise<string[]> {
  const keys = new Set<string>();
  let whole = (): void => {};
  const isWhole = new Promise<boolean>(done => {
    whole = () => done(true);
  });
  const message = (message: JsMsg): void => {
    const { key, entry } = changeOf(message, store);
    if (entry === undefined) keys.delete(key);
    else keys.add(key);
  };
  const feed = await openFeed(store, subjectsUnder(prefix), { message, all: whole }, true);
  const isAll = await Promise.race([isWhole, feed.ended.then(() => false)]);
  feed.stop();
  if (!isAll) throw new errors.TimeoutError();
  return [...keys];
}
