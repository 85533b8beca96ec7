import {
  connect,
  credsAuthenticator,
  errors,
  type Msg,
  type NatsConnection,
  type NodeConnectionOptions,
  type TlsOptions,
} from '@nats-io/transport-node';
import type { Clock, Json } from '../contract.ts';
import { Refusal, refuse } from '../kit/refusal.ts';
import { Handlers } from './handlers.ts';
import { NatsEvents } from './nats-events.ts';
import { NatsKeyValue } from './nats-kv.ts';
import { NatsStore } from './nats-store.ts';
import type { Bus, BusOptions, BusState } from './port.ts';
import { checkPattern, checkSubject } from './subject.ts';
import {
  answerOf,
  busyRefusal,
  closedRefusal,
  decode,
  downRefusal,
  encode,
  noResponderRefusal,
  timeoutRefusal,
} from './wire.ts';

export interface NatsOptions extends BusOptions {
  /** `nats://[user:password@]host:port` or `tls://…`, several separated by commas. */
  readonly url: string;
  /** Shown in the server's monitoring: this process. */
  readonly name: string;
  /** `user:password`, a token, or the text of a `.creds` file (NATS JWT and seed). */
  readonly credentials?: string;
  readonly tls?: TlsOptions;
  readonly connectTimeoutMs?: number;
}

/** Servers of one subject share its requests: all are in this queue group. */
const QUEUE = 'roombridge';
/** How often, and how far apart, the store of a server that came back is sought. */
const STORE_TRIES = 5;
const STORE_WAIT_MS = 300;

/**
 * Rejects with a Refusal in words: `bus-unreachable` when no server answers, `no-jetstream` when it keeps nothing. Once
 * up, it reconnects for ever.
 */
export async function natsBus(options: NatsOptions): Promise<Bus> {
  const nc = await connect(connectionOptions(options)).catch(error => {
    const where = options.url.replace(/\/\/[^@/,]*@/g, '//');
    throw refuse(
      'server',
      'bus-unreachable',
      `No NATS server could be used at ${where} (${(error as Error).message}); start one there or change bus.url (--bus).`,
    );
  });
  const bus = busOver(nc, options);
  try {
    await bus.ready;
    return bus;
  } catch (error) {
    await bus.close();
    throw error;
  }
}

function connectionOptions(options: NatsOptions): NodeConnectionOptions {
  const urls = options.url.split(',').map(u => new URL(u.includes('://') ? u.trim() : `nats://${u.trim()}`));
  const login = urls.find(u => u.username !== '');
  const secure = options.tls ?? (urls.some(u => u.protocol === 'tls:') ? {} : undefined);
  return {
    servers: urls.map(u => u.host),
    name: options.name,
    maxReconnectAttempts: -1,
    ignoreAuthErrorAbort: true, // a server restarted with wrong accounts for a moment must not end us
    reconnectTimeWait: 500,
    pingInterval: 2000, // a server that vanished without a word is missed after the second unanswered one
    timeout: options.connectTimeoutMs ?? 5000,
    noAsyncTraces: true,
    ...(login && { user: decodeURIComponent(login.username), pass: decodeURIComponent(login.password) }),
    ...(options.credentials !== undefined && loginOf(options.credentials)),
    ...(secure && { tls: secure }),
  };
}

function loginOf(credentials: string): Partial<NodeConnectionOptions> {
  if (credentials.includes('BEGIN NATS'))
    return { authenticator: credsAuthenticator(new TextEncoder().encode(credentials)) };
  const text = credentials.trim();
  const colon = text.indexOf(':');
  return colon < 0 ? { token: text } : { user: text.slice(0, colon), pass: text.slice(colon + 1) };
}

/** `ready` rejects when the server keeps nothing. */
function busOver(nc: NatsConnection, options: NatsOptions): Bus & { readonly ready: Promise<unknown> } {
  const { count } = options;
  const handlers = new Handlers(options);
  const states = new Set<(state: BusState) => void>();
  const servers = new Set<() => Promise<void>>();
  const pending = new Set<(why: Refusal) => void>();
  let state: BusState = 'up';
  let closing: Promise<void> | undefined;

  const become = (next: BusState): void => {
    if (state === next || closing !== undefined) return;
    state = next;
    for (const on of [...states]) on(next);
  };
  const store = new NatsStore(nc, () => state === 'down');
  const guard = (run: () => void, key: string): void => handlers.tell(run, null, key);
  const { clock } = options;
  const kv = new NatsKeyValue({ store, clock, payloadBytes: handlers.limits.payloadBytes, count, guard });
  const events = new NatsEvents({ store, clock, count });
  const ready = store.reopen();

  let connections = 0;
  const back = async (): Promise<void> => {
    const connection = ++connections;
    // What the store is now must be known before anybody compares with what it was. It may need longer than the server
    // to come up; without it the rest goes on.
    for (let tries = 0; tries < STORE_TRIES && connection === connections; tries++) {
      const opened = await store.reopen().then(
        () => true,
        () => false,
      );
      if (opened) break;
      count('store-missing');
      await new Promise<void>(done => clock.at(clock.now() + STORE_WAIT_MS, done));
    }
    if (connection !== connections) return;
    become('up');
    kv.restart();
    events.restart();
  };
  void (async () => {
    for await (const s of nc.status()) {
      if (s.type === 'disconnect' || s.type === 'close') {
        connections++;
        become('down');
      } else if (s.type === 'reconnect') void back();
    }
  })();

  /** Ours or the server's limit, whichever is lower. */
  const payloadLimit = (): number => Math.min(handlers.limits.payloadBytes, nc.info?.max_payload ?? Infinity);

  /** The library keeps what is sent while it reconnects, without a bound: so nothing is sent then. */
  const send = (doIt: () => void): void => {
    if (nc.isClosed() || state === 'down') count('publish-while-down');
    else doIt();
  };

  const ask = (subject: string, text: string, timeoutMs: number): Promise<Msg> =>
    new Promise((resolve, reject) => {
      pending.add(reject);
      const settled = (): unknown => pending.delete(reject);
      nc.request(subject, text, { timeout: timeoutMs }).then(resolve, reject).finally(settled);
    });

  const answer = async (msg: Msg, handler: (data: Json) => Promise<Json> | Json): Promise<void> => {
    const data = decode(msg.string());
    if (data === undefined) return count('not-json');
    const reply = await handlers.answer(handler, data, msg.subject);
    send(() => msg.respond(reply));
  };

  return {
    ready,
    kv,
    events,
    async request(subject, data, { timeoutMs }) {
      checkSubject(subject);
      if (closing !== undefined) throw closedRefusal();
      if (state === 'down') throw downRefusal();
      if (pending.size >= handlers.limits.pendingRequests) throw busyRefusal(handlers.limits.pendingRequests);
      const text = encode(data, payloadLimit(), subject);
      const reply = await ask(subject, text, Math.max(1, timeoutMs)).catch(error => {
        throw refusalOf(error, subject, timeoutMs);
      });
      return answerOf(decode(reply.string()), subject);
    },
    serve(subject, handler) {
      checkPattern(subject);
      if (closing !== undefined) return () => {};
      const callback = (error: Error | null, msg: Msg): void => {
        if (error === null) void answer(msg, handler);
        else options.onBug(error, subject);
      };
      const subscription = nc.subscribe(subject, { queue: QUEUE, callback });
      // A request that left its asker before it could know is still answered.
      const unserve = async (): Promise<void> => {
        if (servers.delete(unserve) && !nc.isClosed()) await subscription.drain().catch(() => {});
      };
      servers.add(unserve);
      return () => void unserve();
    },
    publish(subject, data) {
      checkSubject(subject);
      const text = encode(data, payloadLimit(), subject);
      if (closing === undefined) send(() => nc.publish(subject, text));
    },
    subscribe(pattern, on) {
      checkPattern(pattern);
      if (closing !== undefined) return () => {};
      const subscription = nc.subscribe(pattern, {
        callback: (error, msg) => {
          if (error !== null) return options.onBug(error, pattern);
          const data = decode(msg.string());
          if (data === undefined) return count('not-json');
          handlers.tell(on, data, msg.subject);
        },
      });
      return () => {
        if (!nc.isClosed()) subscription.unsubscribe();
      };
    },
    onState(on) {
      on(state);
      states.add(on);
      return () => void states.delete(on);
    },
    close() {
      closing ??= (async () => {
        if (state === 'up') await Promise.all([...servers].map(unserve => unserve()));
        await handlers.idle();
        if (state === 'up') await within(events.flush(), options.clock, handlers.limits.closeWaitMs);
        kv.close();
        events.close();
        for (const reject of [...pending]) reject(closedRefusal());
        await drained(nc, state, options.clock, handlers.limits.closeWaitMs);
      })();
      return closing;
    },
  };
}

/** Sends what is still to be sent, then closes; a server that is away cannot hold us. */
async function drained(nc: NatsConnection, state: BusState, clock: Clock, waitMs: number): Promise<void> {
  if (nc.isClosed()) return;
  if (state === 'down') return nc.close();
  await within(nc.drain(), clock, waitMs);
  await nc.close();
}

/** Resolves when `work` has ended, well or not, or when that takes too long. */
const within = (work: Promise<unknown>, clock: Clock, waitMs: number): Promise<void> =>
  new Promise(done => {
    const disarm = clock.at(clock.now() + waitMs, done);
    work
      .catch(() => {})
      .finally(() => {
        disarm();
        done();
      });
  });

function refusalOf(error: unknown, subject: string, timeoutMs: number): unknown {
  if (error instanceof Refusal) return error;
  if (error instanceof errors.TimeoutError) return timeoutRefusal(subject, timeoutMs);
  if (error instanceof errors.NoRespondersError) return noResponderRefusal(subject);
  if (error instanceof errors.RequestError && error.isNoResponders()) return noResponderRefusal(subject);
  return downRefusal();
}
