import {
  JetStreamApiCodes,
  JetStreamApiError,
  type JetStreamClient,
  type JetStreamManager,
  jetstream,
  jetstreamManager,
} from '@nats-io/jetstream';
import { type KV, Kvm } from '@nats-io/kv';
import { errors, type NatsConnection, nanos } from '@nats-io/transport-node';
import { Refusal, refuse } from '../kit/refusal.ts';
import { closedRefusal, downRefusal, timeoutRefusal } from './wire.ts';

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

/** The JetStream behind a connection: a bucket and a stream, made when they are missing, also after a loss. */
export class NatsStore {
  readonly #nc: NatsConnection;
  readonly #isDown: () => boolean;
  #generation = 0;
  #created = '';
  #opening: Promise<OpenStore> | undefined;

  constructor(nc: NatsConnection, isDown: () => boolean) {
    this.#nc = nc;
    this.#isDown = isDown;
  }

  /** Looks anew for what is there: after every connection to a server. Rejects with the Refusal `no-jetstream` or `timeout`. */
  reopen(): Promise<OpenStore> {
    const opening = this.#open().catch(error => {
      if (this.#opening === opening) this.#opening = undefined;
      throw storeRefusal(error);
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
      if (!hasGone(error)) throw storeRefusal(error);
    }
    this.#check();
    // Several find it gone at once: one of them opens it anew for all.
    const again = this.#opening === opening ? this.reopen() : (this.#opening ?? this.reopen());
    try {
      return await ask(await again);
    } catch (error) {
      throw storeRefusal(error);
    }
  }

  #check(): void {
    if (this.#nc.isClosed()) throw closedRefusal();
    if (this.#isDown()) throw downRefusal();
  }

  async #open(): Promise<OpenStore> {
    const manager = await jetstreamManager(this.#nc, { timeout: ASK_MS });
    const js = jetstream(this.#nc, { timeout: ASK_MS });
    // Read from the leader only: what decides who owns a room must not be a moment old.
    const kv = await new Kvm(js).create(BUCKET, {
      history: 1,
      max_bytes: BUCKET_BYTES,
      allow_direct: false,
      timeout: ASK_MS,
    });
    await this.#openEvents(manager);
    const { created } = (await kv.status()).streamInfo;
    if (created !== this.#created) this.#generation++;
    this.#created = created;
    return { kv, js, manager, generation: this.#generation };
  }

  /** An operator may have made the stream with bounds of its own: those stay. */
  async #openEvents(manager: JetStreamManager): Promise<void> {
    try {
      await manager.streams.info(EVENT_STREAM);
    } catch (error) {
      if (!isMissing(error)) throw error;
      await manager.streams.add({
        name: EVENT_STREAM,
        subjects: [`${EVENT_SUBJECT}.>`],
        max_age: nanos(EVENT_AGE_MS),
        max_bytes: EVENT_BYTES,
        duplicate_window: nanos(SAME_EVENT_MS),
      });
    }
  }
}

const isMissing = (error: unknown): boolean =>
  error instanceof JetStreamApiError && error.code === JetStreamApiCodes.StreamNotFound;

/** The library does not give out the class of its error. */
const isOff = (error: unknown): boolean =>
  (error instanceof Error && error.name === 'JetStreamNotEnabled') ||
  (error instanceof JetStreamApiError && error.code === JetStreamApiCodes.JetStreamNotEnabledForAccount);

/** The stream is not there any more: a server that was started anew without its folder. */
const hasGone = (error: unknown): boolean =>
  isMissing(error) ||
  error instanceof errors.NoRespondersError ||
  (error instanceof errors.RequestError && error.isNoResponders());

/** In words what the store could not do; anything else as it is. */
function storeRefusal(error: unknown): unknown {
  if (error instanceof Refusal) return error;
  if (isOff(error) || hasGone(error))
    return refuse(
      'server',
      'no-jetstream',
      'The NATS server keeps nothing, and Roombridge needs it to (who hosts which room): start nats-server with `-js -sd FOLDER`.',
    );
  if (error instanceof errors.TimeoutError) return timeoutRefusal('the store', ASK_MS);
  if (error instanceof errors.ClosedConnectionError || error instanceof errors.DrainingConnectionError)
    return closedRefusal();
  return error;
}
