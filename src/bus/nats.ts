import { connect, type Msg, type NatsConnection } from '@nats-io/transport-node';
import type { Clock, Json } from '../contract.ts';
import { Refusal } from '../kit/refusal.ts';
import { Handlers } from './handlers.ts';
import { NatsEvents } from './nats-events.ts';
import { NatsKeyValue } from './nats-kv.ts';
import { type NatsLogin, natsLogin } from './nats-login.ts';
import { connectRefusal, requestRefusal } from './nats-refusals.ts';
import { NatsStore } from './nats-store.ts';
import type { Bus, BusOptions, BusState } from './port.ts';
import { checkPattern, checkSubject } from './subject.ts';
import { answerOf, busyRefusal, closedRefusal, decode, downRefusal, encode } from './wire.ts';

export interface NatsOptions extends BusOptions, NatsLogin {
  /** Servers of a cluster that keep what is kept. Undefined: three in a cluster, else one; what was made otherwise stays. */
  readonly replicas?: number;
}

/** Servers of one subject share its requests: all are in this queue group. */
const QUEUE = 'roombridge';
/** How far apart the store of a server that came back is sought, and how long all else waits for it. */
const STORE_AGAIN_MS = 300;
const STORE_WAIT_MS = 2000;
/** How long servers get to choose a leader when this process starts. */
const LEADER_WAIT_MS = 15_000;

/**
 * Rejects with a Refusal in words: `bus-unreachable` when no server lets us in, else what `NatsStore.reopen` says. Once up,
 * it reconnects for ever.
 */
export async function natsBus(options: NatsOptions): Promise<Bus> {
  const nc = await connect(natsLogin(options)).catch(error => {
    throw connectRefusal(error, options.url.replace(/\/\/[^@/,]*@/g, '//'));
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
  const store = new NatsStore(nc, () => state === 'down', options.replicas);
  const guard = (run: () => void, key: string): void => handlers.tell(run, null, key);
  const { clock } = options;
  const kv = new NatsKeyValue({ store, clock, payloadBytes: handlers.limits.payloadBytes, count, guard });
  const events = new NatsEvents({ store, clock, count });
  const ready = openFirst(store, clock);

  let connections = 0;
  const back = async (): Promise<void> => {
    const connection = ++connections;
    const isOver = (): boolean => connection !== connections || closing !== undefined;
    // What the store is now should be known before anybody compares with what it was. It may need longer than the server to
    // come up, and servers seconds to choose a leader: what needs no store goes on meanwhile.
    const disarm = clock.at(clock.now() + STORE_WAIT_MS, () => isOver() || become('up'));
    for (
      let waitMs = STORE_AGAIN_MS;
      !(await isOpen()) && !isOver();
      waitMs = Math.min(2 * waitMs, STORE_WAIT_MS)
    ) {
      count('store-missing');
      await new Promise<void>(done => clock.at(clock.now() + waitMs, done));
    }
    disarm();
    if (isOver()) return;
    if (state === 'down') become('up');
    else for (const on of [...states]) on('up');
    kv.restart();
    events.restart();
  };
  const isOpen = (): Promise<boolean> =>
    store.reopen().then(
      () => true,
      () => false,
    );
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
        throw requestRefusal(error, subject, timeoutMs) ?? downRefusal();
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

/** Servers that were started just now may still be choosing a leader. */
async function openFirst(store: NatsStore, clock: Clock): Promise<unknown> {
  const until = clock.now() + LEADER_WAIT_MS;
  for (;;)
    try {
      return await store.reopen();
    } catch (error) {
      const isEarly = error instanceof Refusal && error.why.reason === 'no-leader' && clock.now() < until;
      if (!isEarly) throw error;
      await new Promise<void>(done => clock.at(clock.now() + STORE_AGAIN_MS, done));
    }
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
