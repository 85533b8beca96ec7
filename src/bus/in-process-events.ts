import type { Clock } from '../contract.ts';
import { type DurableEvents, type KeptEvent, MAX_WAITING, retryAfterMs, type SystemEvent } from './events.ts';
import type { Unsubscribe } from './port.ts';

export interface InProcessEventsOptions {
  readonly clock: Clock;
  readonly count: (reason: string) => void;
}

interface Consumer {
  readonly waiting: KeptEvent[];
  /** Those of one name take turns. */
  readonly handlers: ((event: KeptEvent) => Promise<void>)[];
  busy: boolean;
  disarm: () => void;
}

/** How many ids are remembered, so that what is told twice is one event. */
const IDS = 1000;

/** Events of a single process: they live as long as it does. A name that was once consumed keeps its place. */
export class InProcessEvents implements DurableEvents {
  readonly #o: InProcessEventsOptions;
  readonly #consumers = new Map<string, Consumer>();
  readonly #ids = new Set<string>();
  #closed = false;

  constructor(options: InProcessEventsOptions) {
    this.#o = options;
  }

  publish(event: SystemEvent): void {
    if (this.#closed || (event.id !== undefined && this.#isRepeated(event.id))) return;
    const kept = JSON.parse(
      JSON.stringify({ id: crypto.randomUUID(), ...event, at: Date.now() }),
    ) as KeptEvent;
    for (const consumer of this.#consumers.values()) {
      if (consumer.waiting.length >= MAX_WAITING) {
        consumer.waiting.splice(consumer.busy ? 1 : 0, 1);
        this.#o.count('event-dropped');
      }
      consumer.waiting.push(kept);
      queueMicrotask(() => this.#next(consumer, 1));
    }
  }

  consume(name: string, on: (event: KeptEvent) => Promise<void>): Unsubscribe {
    let consumer = this.#consumers.get(name);
    if (consumer === undefined) {
      consumer = { waiting: [], handlers: [], busy: false, disarm: () => {} };
      this.#consumers.set(name, consumer);
    }
    const { handlers } = consumer;
    handlers.push(on);
    this.#next(consumer, 1);
    return () => {
      const at = handlers.indexOf(on);
      if (at >= 0) handlers.splice(at, 1);
    };
  }

  close(): void {
    this.#closed = true;
    for (const { disarm } of this.#consumers.values()) disarm();
    this.#consumers.clear();
  }

  /** Tells the oldest event, for the `told`th time. */
  #next(consumer: Consumer, told: number): void {
    const [event] = consumer.waiting;
    const on = consumer.handlers.shift();
    if (on === undefined || event === undefined || consumer.busy || this.#closed) {
      if (on !== undefined) consumer.handlers.unshift(on);
      return;
    }
    consumer.handlers.push(on);
    consumer.busy = true;
    on(event).then(
      () => {
        consumer.busy = false;
        consumer.waiting.shift();
        this.#next(consumer, 1);
      },
      () => {
        const { clock } = this.#o;
        const again = (): void => {
          consumer.busy = false;
          this.#next(consumer, told + 1);
        };
        if (!this.#closed) consumer.disarm = clock.at(clock.now() + retryAfterMs(told), again);
      },
    );
  }

  #isRepeated(id: string): boolean {
    if (this.#ids.has(id)) return true;
    this.#ids.add(id);
    if (this.#ids.size > IDS) for (const oldest of this.#ids) return !this.#ids.delete(oldest);
    return false;
  }
}
