import type { Json } from '../contract.ts';
import { Handlers } from './handlers.ts';
import { InProcessEvents } from './in-process-events.ts';
import { InProcessKeyValue } from './in-process-kv.ts';
import type { Bus, BusOptions } from './port.ts';
import { checkPattern, checkSubject, matcher } from './subject.ts';
import {
  answerOf,
  busyRefusal,
  closedRefusal,
  decode,
  encode,
  noResponderRefusal,
  timeoutRefusal,
} from './wire.ts';

interface Listener {
  readonly matches: (subject: string) => boolean;
  readonly on: (data: Json, subject: string) => void;
}
interface Server {
  readonly matches: (subject: string) => boolean;
  readonly handler: (data: Json) => Promise<Json> | Json;
}

/** The bus of a single process. Everything goes through JSON and arrives in a later microtask, as over a network. */
export function inProcessBus(options: BusOptions): Bus {
  const { clock } = options;
  const handlers = new Handlers(options);
  const { limits } = handlers;
  const listeners = new Set<Listener>();
  const servers = new Set<Server>();
  const pending = new Set<() => void>();
  let closed = false;
  const kv = new InProcessKeyValue({
    payloadBytes: limits.payloadBytes,
    isClosed: () => closed,
    guard: (run, key) => handlers.tell(run, null, key),
  });
  const events = new InProcessEvents(options);

  /** The server of `subject` that has waited longest: it goes to the back of the line. */
  const nextServer = (subject: string): Server | undefined => {
    for (const s of servers) {
      if (!s.matches(subject)) continue;
      servers.delete(s);
      servers.add(s);
      return s;
    }
    return undefined;
  };

  const request: Bus['request'] = async (subject, data, { timeoutMs }) => {
    checkSubject(subject);
    if (closed) throw closedRefusal();
    if (pending.size >= limits.pendingRequests) throw busyRefusal(limits.pendingRequests);
    const asked = encode(data, limits.payloadBytes, subject);
    const text = await new Promise<string>((resolve, reject) => {
      const finish = (settle: () => void): void => {
        disarm();
        pending.delete(abandon);
        settle();
      };
      const abandon = (): void => finish(() => reject(closedRefusal()));
      const late = (): void => finish(() => reject(timeoutRefusal(subject, timeoutMs)));
      const disarm = clock.at(clock.now() + timeoutMs, late);
      pending.add(abandon);
      queueMicrotask(() => {
        const server = closed ? undefined : nextServer(subject);
        if (server === undefined) return finish(() => reject(noResponderRefusal(subject)));
        void handlers
          .answer(server.handler, decode(asked) as Json, subject)
          .then(reply => finish(() => resolve(reply)));
      });
    });
    return answerOf(decode(text), subject);
  };

  return {
    kv,
    events,
    request,
    serve(subject, handler) {
      checkPattern(subject);
      const server: Server = { matches: matcher(subject), handler };
      if (!closed) servers.add(server);
      return () => void servers.delete(server);
    },
    publish(subject, data) {
      checkSubject(subject);
      const text = encode(data, limits.payloadBytes, subject);
      if (closed) return;
      queueMicrotask(() => {
        // A snapshot: one that unsubscribes while being told must not make another miss the message.
        for (const l of [...listeners])
          if (listeners.has(l) && l.matches(subject)) handlers.tell(l.on, decode(text) as Json, subject);
      });
    },
    subscribe(pattern, on) {
      checkPattern(pattern);
      const listener: Listener = { matches: matcher(pattern), on };
      if (!closed) listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    onState(on) {
      on(closed ? 'down' : 'up');
      return () => {};
    },
    async close() {
      if (closed) return;
      closed = true;
      servers.clear();
      kv.close();
      events.close();
      await handlers.idle();
      await new Promise(done => setImmediate(done)); // the last answers are on their way back
      listeners.clear();
      for (const abandon of [...pending]) abandon();
    },
  };
}
