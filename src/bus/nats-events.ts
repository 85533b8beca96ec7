import {
  AckPolicy,
  type Consumer,
  DeliverPolicy,
  JetStreamApiCodes,
  JetStreamApiError,
  type JsMsg,
} from '@nats-io/jetstream';
import { nanos } from '@nats-io/transport-node';
import type { Clock } from '../contract.ts';
import { type DurableEvents, type KeptEvent, MAX_WAITING, retryAfterMs, type SystemEvent } from './events.ts';
import { EVENT_STREAM, EVENT_SUBJECT, type NatsStore, type OpenStore } from './nats-store.ts';
import type { Unsubscribe } from './port.ts';
import { decode } from './wire.ts';

export interface NatsEventsOptions {
  readonly store: NatsStore;
  readonly clock: Clock;
  readonly count: (reason: string) => void;
}

const AGAIN_MS = 1000;
/** How long one question for the next event stays open. */
const LISTEN_MS = 5000;
/** A consumer that says nothing for so long is taken for dead, and another one is told. */
const HANDLE_MS = 60_000;

/** The stream of a NATS server. */
export class NatsEvents implements DurableEvents {
  readonly #o: NatsEventsOptions;
  readonly #waiting: KeptEvent[] = [];
  readonly #consumers = new Set<() => void>();
  #sending: Promise<void> | undefined;
  #closed = false;
  /** Ends the pauses that are being made. */
  readonly #pauses = new Set<() => void>();

  constructor(options: NatsEventsOptions) {
    this.#o = options;
  }

  publish(event: SystemEvent): void {
    if (this.#closed) return;
    if (this.#waiting.length >= MAX_WAITING) {
      this.#waiting.splice(1, 1); // the first may be on its way
      this.#o.count('event-dropped');
    }
    this.#waiting.push({ id: crypto.randomUUID(), ...event, at: Date.now() });
    this.#sending ??= this.#send();
  }

  consume(name: string, on: (event: KeptEvent) => Promise<void>): Unsubscribe {
    let stopped = this.#closed;
    const stop = (): void => {
      stopped = true;
      this.#consumers.delete(stop);
    };
    this.#consumers.add(stop);
    void this.#consume(name, on, () => stopped);
    return stop;
  }

  /** The server is back: what waits goes out now. */
  restart(): void {
    for (const end of this.#pauses) end();
  }

  /** Resolves when everything is kept. */
  async flush(): Promise<void> {
    await this.#sending;
  }

  close(): void {
    this.#closed = true;
    this.#waiting.length = 0;
    for (const stop of this.#consumers) stop();
    this.restart();
  }

  /** One after the other, so that they are kept in order. */
  async #send(): Promise<void> {
    for (let event: KeptEvent | undefined; (event = this.#waiting[0]) !== undefined; )
      if (await this.#keep(event)) this.#waiting.splice(this.#waiting.indexOf(event), 1);
      else await this.#pause();
    this.#sending = undefined;
  }

  async #keep(event: KeptEvent): Promise<boolean> {
    try {
      await this.#o.store.use(({ js }) =>
        js.publish(`${EVENT_SUBJECT}.${event.type}`, JSON.stringify(event), { msgID: event.id }),
      );
      return true;
    } catch {
      return this.#closed; // nobody is left to keep it for
    }
  }

  async #consume(name: string, on: (event: KeptEvent) => Promise<void>, stopped: () => boolean) {
    let consumer: Consumer | undefined;
    let wasHere = false;
    while (!stopped())
      try {
        consumer ??= await this.#o.store.use(store => consumerOf(store, name, wasHere));
        wasHere = true;
        const message = await consumer.next({ expires: LISTEN_MS });
        if (message === null) continue;
        if (stopped()) message.nak();
        else await this.#tell(message, on);
      } catch {
        consumer = undefined; // the server is away, or has lost what it kept
        await this.#pause();
      }
  }

  async #tell(message: JsMsg, on: (event: KeptEvent) => Promise<void>): Promise<void> {
    const event = decode(message.string()) as unknown as KeptEvent | undefined;
    if (event === undefined) {
      this.#o.count('not-json');
      return message.term();
    }
    try {
      await on(event);
      message.ack();
    } catch {
      message.nak(retryAfterMs(message.info.deliveryCount));
    }
  }

  #pause(): Promise<void> {
    if (this.#closed) return Promise.resolve();
    const { clock } = this.#o;
    return new Promise(done => {
      const end = (): void => {
        this.#pauses.delete(end);
        disarm();
        done();
      };
      const disarm = clock.at(clock.now() + AGAIN_MS, end);
      this.#pauses.add(end);
    });
  }
}

/**
 * One event at a time, over all who consume by this name: so the order stays. One that was here before and was lost with
 * the store is told of all that the new store has.
 */
async function consumerOf({ js, manager }: OpenStore, name: string, wasHere: boolean): Promise<Consumer> {
  const found = await manager.consumers.info(EVENT_STREAM, name).catch(async error => {
    if (!(error instanceof JetStreamApiError) || error.code !== JetStreamApiCodes.ConsumerNotFound)
      throw error;
    return manager.consumers.add(EVENT_STREAM, {
      durable_name: name,
      ack_policy: AckPolicy.Explicit,
      deliver_policy: wasHere ? DeliverPolicy.All : DeliverPolicy.New,
      ack_wait: nanos(HANDLE_MS),
      max_ack_pending: 1,
    });
  });
  return js.consumers.getConsumerFromInfo(found);
}
