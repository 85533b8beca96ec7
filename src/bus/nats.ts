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
  readonly token?: string;
  /** Text of a `.creds` file (NATS JWT and seed). */
  readonly credentials?: string;
  readonly tls?: TlsOptions;
  readonly connectTimeoutMs?: number;
}

/** Servers of one subject share its requests: all are in this queue group. */
const QUEUE = 'roombridge';

/** Rejects with the Refusal `bus-unreachable`, in words, when no server answers; once up, it reconnects for ever. */
export async function natsBus(options: NatsOptions): Promise<Bus> {
  const nc = await connect(connectionOptions(options)).catch(error => {
    const where = options.url.replace(/\/\/[^@/,]*@/g, '//');
    throw refuse(
      'server',
      'bus-unreachable',
      `No NATS server could be used at ${where} (${(error as Error).message}); start one there or change bus.url (--bus).`,
    );
  });
  return busOver(nc, options);
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
    pingInterval: 5000,
    timeout: options.connectTimeoutMs ?? 5000,
    noAsyncTraces: true,
    ...(login && { user: decodeURIComponent(login.username), pass: decodeURIComponent(login.password) }),
    ...(options.token !== undefined && { token: options.token }),
    ...(options.credentials !== undefined && {
      authenticator: credsAuthenticator(new TextEncoder().encode(options.credentials)),
    }),
    ...(secure && { tls: secure }),
  };
}

function busOver(nc: NatsConnection, options: NatsOptions): Bus {
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
  void (async () => {
    for await (const s of nc.status()) {
      if (s.type === 'disconnect' || s.type === 'close') become('down');
      else if (s.type === 'reconnect') become('up');
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
  await new Promise<void>(done => {
    const disarm = clock.at(clock.now() + waitMs, done);
    nc.drain()
      .catch(() => {})
      .finally(() => {
        disarm();
        done();
      });
  });
  await nc.close();
}

function refusalOf(error: unknown, subject: string, timeoutMs: number): unknown {
  if (error instanceof Refusal) return error;
  if (error instanceof errors.TimeoutError) return timeoutRefusal(subject, timeoutMs);
  if (error instanceof errors.NoRespondersError) return noResponderRefusal(subject);
  if (error instanceof errors.RequestError && error.isNoResponders()) return noResponderRefusal(subject);
  return downRefusal();
}
