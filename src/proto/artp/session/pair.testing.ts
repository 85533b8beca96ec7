import { createHash } from 'node:crypto';
import { VirtualNet, type VirtualSocket } from '../../../../test/harness/virtual-net.ts';
import type { Json, Termination } from '../../../contract.ts';
import type { Impairment } from '../../../kit/impairment.ts';
import { Drops } from '../../../kit/limits.ts';
import type { directionCipher, Suite } from '../keys.ts';
import { Session } from './session.ts';
import { type Route, SESSION_TIMES, type SessionEvent, type SessionTimes } from './types.ts';

export const SERVER = '203.0.113.1';
export const SERVER_PORT = 7100;
export const CLIENT = '192.0.2.1';
/** The two ends of a stream, as addresses of a link that loses nothing. */
const STREAM_CLIENT = 'stream-client';
const STREAM_SERVER = 'stream-server';
export const udp = (address = SERVER, port = SERVER_PORT): Route => ({ kind: 'udp', address, port });
export const STREAM: Route = { kind: 'stream', address: 'stream-1', port: 0 };

/** Bytes that look random and are the same in every run. */
export function randomBytes(seed: string): (n: number) => Buffer {
  let count = 0;
  return n => {
    const digest = createHash('shake256', { outputLength: n });
    return digest.update(`${seed} ${count++}`).digest();
  };
}

/** One end: its session, driven by the virtual clock, and all that happened to it. */
export class End {
  readonly session: Session;
  readonly events: SessionEvent[] = [];
  readonly drops = new Drops();
  /** Whole datagrams, as sent. */
  readonly sent: { readonly bytes: Buffer; readonly route: Route; readonly at: number }[] = [];
  readonly #net: VirtualNet;
  #disarm: () => void = () => {};
  /** How a route's datagrams leave. */
  readonly out = new Map<Route['kind'], (bytes: Uint8Array, length: number, route: Route) => void>();

  constructor(
    net: VirtualNet,
    side: 'client' | 'server',
    o: { secret: Buffer; suite: Suite; times: SessionTimes; reset?: Buffer; cipher?: typeof directionCipher },
  ) {
    this.#net = net;
    this.session = new Session({
      side,
      ...o,
      ours: connectionOf(side),
      theirs: connectionOf(side === 'client' ? 'server' : 'client'),
      random: randomBytes(side),
      budgetMs: 100,
      now: net.clock.now(),
      transmit: (bytes, length, route) => {
        this.sent.push({ bytes: Buffer.from(bytes.subarray(0, length)), route, at: net.clock.now() });
        this.out.get(route.kind)?.(bytes, length, route);
      },
      count: reason => this.drops.count(reason),
    });
    this.#settle();
  }

  /** Any call, and what follows from it. */
  do<T>(call: (session: Session, now: number) => T): T {
    const result = call(this.session, this.#net.clock.now());
    this.#settle();
    return result;
  }

  get messages(): Json[] {
    return this.events.flatMap(e => (e.type === 'message' ? [e.message] : []));
  }
  get states(): string[] {
    return this.events.flatMap(e => (e.type === 'state' ? [e.state] : []));
  }
  get ended(): Termination | undefined {
    return this.events.flatMap(e => (e.type === 'ended' ? [e.why] : []))[0];
  }
  get activeRoute(): Route | undefined {
    return this.session.paths().find(p => p.active)?.route;
  }

  #settle(): void {
    for (let e: SessionEvent | undefined; (e = this.session.poll()) !== undefined; ) this.events.push(e);
    this.#disarm();
    const { deadline } = this.session;
    if (deadline < Number.POSITIVE_INFINITY)
      this.#disarm = this.#net.clock.at(Math.max(deadline, this.#net.clock.now()), () =>
        this.do((s, now) => s.tick(now)),
      );
  }
}

export const connectionOf = (side: 'client' | 'server'): Buffer =>
  Buffer.from(side === 'client' ? 'c1c2c3c4c5c6c7c8' : 'a1a2a3a4a5a6a7a8', 'hex');

export interface PairOptions {
  readonly suite?: Suite;
  readonly times?: Partial<SessionTimes>;
  readonly there?: Impairment;
  readonly back?: Impairment;
  readonly stream?: boolean;
  readonly reset?: Buffer;
  readonly secret?: Buffer;
  readonly cipher?: typeof directionCipher;
}

/** Two sessions on a virtual network, not yet connected: `connect` adds the client's routes. */
export class Pair {
  readonly net: VirtualNet;
  readonly client: End;
  readonly server: End;
  socket: VirtualSocket;
  readonly #servedBy = new Map<string, string>();
  readonly #o: PairOptions;

  constructor(seed: number, o: PairOptions = {}) {
    this.#o = o;
    this.net = new VirtualNet(seed);
    const times = { ...SESSION_TIMES, ...o.times };
    const common = {
      secret: o.secret ?? Buffer.alloc(32, 7),
      suite: o.suite ?? 'aes-128-gcm',
      times,
    } as const;
    const spy = o.cipher === undefined ? {} : { cipher: o.cipher };
    this.client = new End(this.net, 'client', {
      ...common,
      ...spy,
      ...(o.reset ? { reset: o.reset } : {}),
    });
    this.server = new End(this.net, 'server', { ...common, ...spy });
    this.impair(o.there ?? { delayMs: 20 }, o.back ?? o.there ?? { delayMs: 20 });
    const { net, client, server } = this;
    // The server has two addresses, and answers from the one that was spoken to.
    const served = [SERVER, '203.0.113.2'].map(at =>
      net.open(at, SERVER_PORT, (bytes, address, port) => {
        this.#servedBy.set(`${address} ${port}`, at);
        server.do((s, now) => s.receive(bytes, udp(address, port), now));
      }),
    );
    server.out.set('udp', (b, n, r) => {
      const at = this.#servedBy.get(`${r.address} ${r.port}`);
      served.find(s => s.address === at)?.send(b, n, r.port, r.address);
    });
    this.socket = this.#clientSocket(CLIENT);
    const streamed = net.open(STREAM_CLIENT, 1, bytes =>
      client.do((s, now) => s.receive(bytes, STREAM, now)),
    );
    const streams = net.open(STREAM_SERVER, 1, bytes => server.do((s, now) => s.receive(bytes, STREAM, now)));
    client.out.set('stream', (b, n) => streamed.send(b, n, 1, STREAM_SERVER));
    server.out.set('stream', (b, n) => streams.send(b, n, 1, STREAM_CLIENT));
    net.impair(STREAM_CLIENT, STREAM_SERVER, { delayMs: 25 });
  }

  impair(there: Impairment, back: Impairment = there): void {
    this.net.impair(CLIENT, SERVER, there, back);
  }

  connect(): this {
    this.client.do((s, now) => s.addRoute(udp(), now));
    if (this.#o.stream) this.client.do((s, now) => s.addRoute(STREAM, now));
    return this;
  }

  /** The network gives the client's datagrams another source; nobody tells the client. */
  rebind(address: string): void {
    this.socket.close();
    this.socket = this.#clientSocket(address);
  }

  run(ms: number): void {
    this.net.clock.run(ms);
  }

  #clientSocket(address: string): VirtualSocket {
    const { client } = this;
    const socket = this.net.open(address, 0, (bytes, from, port) =>
      client.do((s, now) => s.receive(bytes, udp(from, port), now)),
    );
    client.out.set('udp', (b, n, r) => socket.send(b, n, r.port, r.address));
    return socket;
  }
}
