import type { Clock } from '../contract.ts';
import type { KvEntry } from './kv.ts';
import { changeOf, subjectsUnder } from './nats-entry.ts';
import { openFeed } from './nats-feed.ts';
import type { NatsStore, OpenStore } from './nats-store.ts';

const AGAIN_MS = 1000;

export interface NatsWatchOptions {
  readonly store: Pick<NatsStore, 'use'>;
  readonly clock: Clock;
  readonly count: (reason: string) => void;
  /** Runs a watcher: nothing it throws comes back. */
  readonly guard: (run: () => void, subject: string) => void;
}

/** One watcher: what it was told last, and the feed that tells more. */
export class NatsWatch {
  readonly #prefix: string;
  readonly #on: (key: string, entry: KvEntry | undefined) => void;
  readonly #o: NatsWatchOptions;
  readonly #told = new Map<string, number>();
  /** Counts the starts: one that was overtaken says nothing more. */
  #run = 0;
  #stop: () => void = () => {};
  #disarm: () => void = () => {};

  constructor(
    prefix: string,
    on: (key: string, entry: KvEntry | undefined) => void,
    options: NatsWatchOptions,
  ) {
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
      if (run === this.#run) this.#disarm = clock.at(clock.now() + AGAIN_MS, () => this.restart());
    };
    store.use(open => this.#follow(open, run)).then(again, again);
  }

  stop(): void {
    this.#run++;
    this.#stop();
    this.#disarm();
  }

  /** Resolves when the feed ends. */
  async #follow(store: OpenStore, run: number): Promise<void> {
    const vanished = new Set(this.#told.keys());
    const feed = await openFeed(store, subjectsUnder(this.#prefix), {
      message: message => {
        if (run !== this.#run) return;
        const { key, entry } = changeOf(message, store);
        vanished.delete(key);
        this.#tell(key, entry);
      },
      all: () => {
        if (run === this.#run) for (const key of vanished) this.#tell(key, undefined);
      },
    });
    if (run !== this.#run) return feed.stop();
    this.#stop = () => feed.stop();
    if (await feed.ended) this.#o.count('watch-silent');
  }

  /** Once each: what is told at every start may be known. */
  #tell(key: string, entry: KvEntry | undefined): void {
    if (this.#told.get(key) === entry?.revision) return;
    if (entry === undefined) this.#told.delete(key);
    else this.#told.set(key, entry.revision);
    this.#o.guard(() => this.#on(key, entry), key);
  }
}
