import type { DurableEvents, SystemEvent } from '../../../src/bus/events.ts';
import { Handlers } from '../../../src/bus/handlers.ts';
import type { KeyValue, KvEntry } from '../../../src/bus/kv.ts';
import { BUS_LIMITS, type Bus, type BusState } from '../../../src/bus/port.ts';
import { checkSubject, matcher } from '../../../src/bus/subject.ts';
import {
  answerOf,
  closedRefusal,
  decode,
  downRefusal,
  encode,
  noResponderRefusal,
  timeoutRefusal,
} from '../../../src/bus/wire.ts';
import type { Clock, Json } from '../../../src/contract.ts';
import type { KvOperation, SimBroker } from './broker.ts';
import type { SimWire } from './wire.ts';

const KV_TIMEOUT_MS = 3000;
/** So many of the events told are kept. */
const EVENTS = 200;
const LIMIT = BUS_LIMITS.payloadBytes;

/** The bus as one process of the simulation has it. */
export class SimBus implements Bus {
  readonly #process: string;
  readonly #broker: SimBroker;
  readonly #wire: SimWire;
  readonly #handlers: Handlers;
  readonly #clock: Clock;
  readonly #onBug: (error: unknown) => void;
  /** What it asked the server to keep; asked again on every new connection. */
  readonly #standing = new Map<() => () => void, () => void>();
  readonly #events: SystemEvent[] = [];
  #closed = false;
  #pending = 0;

  /** `clock`: of the process. */
  constructor(process: string, broker: SimBroker, clock: Clock, onBug: (error: unknown) => void) {
    const wire = broker.connect(process);
    this.#process = process;
    this.#broker = broker;
    this.#wire = wire;
    this.#clock = clock;
    this.#onBug = onBug;
    this.#handlers = new Handlers({ clock, onBug, count: () => {} });
    wire.onState(up => {
      if (up) for (const ask of this.#standing.keys()) this.#renew(ask);
    });
  }

  /** What this process told of the past, lately. */
  get told(): readonly SystemEvent[] {
    return this.#events;
  }
  /** What it listens to and serves. */
  get standing(): number {
    return this.#standing.size;
  }
  /** Requests that wait for their answer. */
  get pending(): number {
    return this.#pending;
  }

  readonly events: DurableEvents = {
    publish: event => {
      this.#events.push(event);
      if (this.#events.length > EVENTS) this.#events.shift();
    },
    consume: () => () => {},
  };

  readonly kv: KeyValue = {
    get: key => this.#operate({ type: 'get', key }) as Promise<KvEntry | undefined>,
    create: (key, value) => this.#write(key, value, 'new'),
    update: (key, value, revision) => this.#write(key, value, revision),
    delete: (key, revision) => this.#operate({ type: 'delete', key, revision }) as Promise<boolean>,
    keys: prefix => this.#operate({ type: 'keys', prefix }) as Promise<string[]>,
    watch: (prefix, on) => {
      let live = true;
      /** What it was told is there. */
      const known = new Set<string>();
      const tell = (key: string, entry: KvEntry | undefined): void => {
        if (!live || (entry === undefined && !known.delete(key))) return;
        if (entry !== undefined) known.add(key);
        this.#guard(() => on(key, entry));
      };
      const undo = this.#stand(() =>
        this.#broker.watch({
          process: this.#process,
          prefix,
          begin: there =>
            this.#wire.pass('down', () => {
              for (const key of [...known]) if (!there.has(key)) tell(key, undefined);
              for (const [key, entry] of there) tell(key, entry);
            }),
          tell: (key, entry) => this.#wire.pass('down', () => tell(key, entry)),
        }),
      );
      return () => {
        live = false;
        undo();
      };
    },
  };

  request(subject: string, data: Json, { timeoutMs }: { readonly timeoutMs: number }): Promise<Json> {
    checkSubject(subject);
    const text = encode(data, LIMIT, subject);
    return this.#ask(
      answer => void this.#broker.request(text, subject).then(answer),
      reply => {
        if (reply === undefined) throw noResponderRefusal(subject);
        return answerOf(decode(reply as string), subject);
      },
      timeoutRefusal(subject, timeoutMs),
      timeoutMs,
    );
  }

  serve(subject: string, handler: (data: Json) => Promise<Json> | Json): () => void {
    const matches = matcher(subject);
    let live = true;
    const ask = (data: string, asked: string): Promise<string> =>
      new Promise(resolve =>
        this.#wire.pass('down', () => {
          if (!live || this.#closed) return;
          void this.#handlers
            .answer(handler, decode(data) as Json, asked)
            .then(reply => this.#wire.pass('up', () => resolve(reply)));
        }),
      );
    const undo = this.#stand(() => this.#broker.serve({ process: this.#process, matches, ask }));
    return () => {
      live = false;
      undo();
    };
  }

  publish(subject: string, data: Json): void {
    checkSubject(subject);
    const text = encode(data, LIMIT, subject);
    if (!this.#closed) this.#wire.pass('up', () => this.#broker.publish(text, subject));
  }

  subscribe(pattern: string, on: (data: Json, subject: string) => void): () => void {
    const matches = matcher(pattern);
    let live = true;
    const tell = (data: string, subject: string): void =>
      this.#wire.pass('down', () => {
        if (live) this.#handlers.tell(on, decode(data) as Json, subject);
      });
    const undo = this.#stand(() => this.#broker.subscribe({ process: this.#process, matches, tell }));
    return () => {
      live = false;
      undo();
    };
  }

  onState(on: (state: BusState) => void): () => void {
    on(this.#wire.isUp ? 'up' : 'down');
    return this.#wire.onState(up => this.#guard(() => on(up ? 'up' : 'down')));
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const undo of this.#standing.values()) undo();
    this.#standing.clear();
  }

  #write(key: string, value: Json, revision: number | 'new'): Promise<number | undefined> {
    const text = encode(value, LIMIT, key);
    return this.#operate({ type: 'write', key, text, revision }) as Promise<number | undefined>;
  }

  #operate(o: KvOperation): Promise<unknown> {
    const subject = 'kv';
    return this.#ask(
      answer => answer(this.#broker.operate(o)),
      result => result,
      timeoutRefusal(subject, KV_TIMEOUT_MS),
      KV_TIMEOUT_MS,
    );
  }

  /** To the server, and back with what it answers; late, or never when the connection is lost meanwhile. */
  #ask<T>(
    there: (answer: (result: unknown) => void) => void,
    back: (result: unknown) => T,
    late: Error,
    timeoutMs: number,
  ): Promise<T> {
    if (this.#closed) return Promise.reject(closedRefusal());
    if (!this.#wire.isUp) return Promise.reject(downRefusal());
    const clock = this.#clock;
    this.#pending++;
    return new Promise((resolve, reject) => {
      let waits = true;
      const over = (): boolean => {
        if (waits) this.#pending--;
        const was = waits;
        waits = false;
        return was;
      };
      const disarm = clock.at(clock.now() + timeoutMs, () => {
        if (over()) reject(late);
      });
      const answer = (result: unknown): void =>
        this.#wire.pass('down', () => {
          if (!over()) return;
          disarm();
          try {
            resolve(back(result));
          } catch (error) {
            reject(error);
          }
        });
      this.#wire.pass('up', () => there(answer));
    });
  }

  /** Kept by the server as long as the connection lives, and asked for again on the next. */
  #stand(ask: () => () => void): () => void {
    this.#standing.set(ask, () => {});
    this.#renew(ask);
    return () => {
      this.#standing.get(ask)?.();
      this.#standing.delete(ask);
    };
  }
  #renew(ask: () => () => void): void {
    this.#standing.get(ask)?.();
    this.#wire.pass('up', () => {
      if (this.#standing.has(ask)) this.#standing.set(ask, ask());
    });
  }
  #guard(run: () => void): void {
    try {
      run();
    } catch (error) {
      this.#onBug(error);
    }
  }
}
