import type { ConsumerConfig, JsMsg } from '@nats-io/jetstream';
import type { OpenStore } from './nats-store.ts';

/** A consumer as the library gives it, which says what the test wants. */
export class FakeConsumer {
  readonly config: Partial<ConsumerConfig>;
  isStopped = false;
  #sequence = 0;
  #hear: (message: JsMsg) => void = () => {};
  readonly #statuses: unknown[] = [];
  #wake: () => void = () => {};

  constructor(config: Partial<ConsumerConfig>) {
    this.config = config;
  }

  consume({ callback }: { callback: (message: JsMsg) => void }): Promise<unknown> {
    this.#hear = callback;
    return Promise.resolve({ status: () => this.#status(), stop: () => this.#stop() });
  }

  /** `value` undefined: the mark of a deletion. `pending`: how many more there are now. */
  say(key: string, seq: number, value: unknown, pending = 0): void {
    const headers = new Map(value === undefined ? [['KV-Operation', 'DEL']] : []);
    const info = { deliverySequence: ++this.#sequence, pending };
    const string = (): string => JSON.stringify(value) ?? '';
    this.#hear({ subject: `$KV.ROOMBRIDGE.${key}`, seq, headers, info, string } as unknown as JsMsg);
  }

  lose(): void {
    this.#sequence++;
  }

  async status(status: object): Promise<void> {
    this.#statuses.push(status);
    this.#wake();
    await settled();
  }

  heartbeat = (lastConsumerSequence: number): Promise<void> =>
    this.status({ type: 'heartbeat', lastConsumerSequence });

  #stop(): void {
    this.isStopped = true;
    this.#wake();
  }

  async *#status(): AsyncGenerator<unknown> {
    for (;;) {
      while (this.#statuses.length > 0) yield this.#statuses.shift();
      if (this.isStopped) return;
      await new Promise<void>(done => {
        this.#wake = done;
      });
    }
  }
}

export const settled = (): Promise<void> => new Promise(done => setImmediate(done));

/** A store of which only consumers can be had. */
export class FakeStore {
  readonly made: FakeConsumer[] = [];
  /** What the next consumer is told to have before it. */
  pending = 0;
  /** What the server says of a consumer when it is asked. */
  info = { num_pending: 0, delivered: { consumer_seq: 0 } };

  get newest(): FakeConsumer {
    return this.made.at(-1) as FakeConsumer;
  }

  use = <T>(ask: (store: OpenStore) => Promise<T>): Promise<T> => {
    const add = (_: string, config: Partial<ConsumerConfig>): Promise<unknown> => {
      this.made.push(new FakeConsumer(config));
      return Promise.resolve({ name: 'c', num_pending: this.pending });
    };
    return ask({
      manager: { consumers: { add, info: () => Promise.resolve(this.info) } },
      js: { consumers: { getBoundPushConsumer: () => Promise.resolve(this.newest) } },
      generation: 0,
    } as unknown as OpenStore);
  };
}
