import {
  type JetStreamClient,
  type JetStreamManager,
  jetstream,
  jetstreamManager,
  type StreamInfo,
} from '@nats-io/jetstream';
import { type KV, Kvm } from '@nats-io/kv';
import { type NatsConnection, nanos } from '@nats-io/transport-node';
import { isMissing, isUnheard, openRefusal, storeRefusal } from './nats-refusals.ts';
import { closedRefusal, downRefusal } from './wire.ts';

export const BUCKET = 'ROOMBRIDGE';
export const EVENT_STREAM = 'ROOMBRIDGE_EVENTS';
/** An event's subject is this and its type. */
export const EVENT_SUBJECT = 'roombridge.events';

const BUCKET_BYTES = 64 * 1024 * 1024;
const EVENT_BYTES = 64 * 1024 * 1024;
const EVENT_AGE_MS = 24 * 3600_000;
/** Events of the same id within this time are one. */
const SAME_EVENT_MS = 120_000;
const ASK_MS = 3000;

/** An open store: good until the server loses it. */
export interface OpenStore {
  readonly kv: KV;
  readonly js: JetStreamClient;
  readonly manager: JetStreamManager;
  /** Counts the stores this process has seen; the revisions of one mean nothing in another. */
  readonly generation: number;
}

/** How many servers of a cluster keep what is kept: any one of them may die. */
const CLUSTER_REPLICAS = 3;

/** The JetStream behind a connection: a bucket and a stream, made when they are missing, also after a loss. */
export class NatsStore {
  readonly #nc: NatsConnection;
  readonly #isDown: () => boolean;
  /** Undefined: as many as suit the servers, and what is there stays as it is. */
  readonly #replicas: number | undefined;
  #generation = 0;
  #created = '';
  #opening: Promise<OpenStore> | undefined;

  constructor(nc: NatsConnection, isDown: () => boolean, replicas?: number) {
    this.#nc = nc;
    this.#isDown = isDown;
    this.#replicas = replicas;
  }

  /**
   * Looks anew for what is there: after every connection to a server. Rejects with a Refusal (`no-jetstream`, `no-leader`,
   * `few-servers`, `bus-full`, `bus-forbidden`, `no-store`, `timeout`).
   */
  reopen(): Promise<OpenStore> {
    const opening = this.#open().catch(error => {
      if (this.#opening === opening) this.#opening = undefined;
      throw openRefusal(error, ASK_MS, this.#wanted);
    });
    this.#opening = opening;
    return opening;
  }

  /** Runs `ask`, a second time when the store turned out to have gone. Rejects with a Refusal, or with what JetStream says. */
  async use<T>(ask: (store: OpenStore) => Promise<T>): Promise<T> {
    this.#check();
    const opening = this.#opening ?? this.reopen();
    try {
      return await ask(await opening);
    } catch (error) {
      // A server that was started anew without its folder, or one of several that led the others.
      if (!isMissing(error) && !isUnheard(error)) throw storeRefusal(error, ASK_MS);
    }
    this.#check();
    // Several find it gone at once: one of them opens it anew for all.
    const again = this.#opening === opening ? this.reopen() : (this.#opening ?? this.reopen());
    try {
      return await ask(await again);
    } catch (error) {
      throw storeRefusal(error, ASK_MS);
    }
  }

  #check(): void {
    if (this.#nc.isClosed()) throw closedRefusal();
    if (this.#isDown()) throw downRefusal();
  }

  get #wanted(): number {
    return this.#replicas ?? (this.#nc.info?.cluster === undefined ? 1 : CLUSTER_REPLICAS);
  }

  /** Asks no more than it must: while servers choose a leader not every question is answered. */
  async #open(): Promise<OpenStore> {
    const manager = await jetstreamManager(this.#nc, { timeout: ASK_MS, checkAPI: false });
    const js = jetstream(this.#nc, { timeout: ASK_MS });
    const { created } = await this.#ensure(manager, `KV_${BUCKET}`, () =>
      new Kvm(js).create(BUCKET, {
        history: 1,
        max_bytes: BUCKET_BYTES,
        allow_direct: false,
        replicas: this.#wanted,
      }),
    );
    await this.#ensure(manager, EVENT_STREAM, () =>
      manager.streams.add({
        name: EVENT_STREAM,
        subjects: [`${EVENT_SUBJECT}.>`],
        max_age: nanos(EVENT_AGE_MS),
        max_bytes: EVENT_BYTES,
        duplicate_window: nanos(SAME_EVENT_MS),
        num_replicas: this.#wanted,
      }),
    );
    // Read from the leader only: what decides who owns a room must not be a moment old.
    const kv = await new Kvm(js).open(BUCKET, { allow_direct: false });
    if (created !== this.#created) this.#generation++;
    this.#created = created;
    return { kv, js, manager, generation: this.#generation };
  }

  /** An operator may have made it with bounds of its own: those stay, but for the number of replicas the config demands. */
  async #ensure(manager: JetStreamManager, name: string, make: () => Promise<unknown>): Promise<StreamInfo> {
    const info = await manager.streams.info(name).catch(async error => {
      if (!isMissing(error)) throw error;
      await make();
      return manager.streams.info(name);
    });
    if (this.#replicas === undefined || info.config.num_replicas === this.#replicas) return info;
    return manager.streams.update(name, { ...info.config, num_replicas: this.#replicas });
  }
}
