import type { Json, Termination } from '../../src/contract.ts';
import type { Impairment, LinkStats } from '../../src/kit/impairment.ts';
import { seededRandom } from '../../src/kit/random.ts';
import { Session } from '../../src/proto/artp/session/session.ts';
import {
  type Route,
  SESSION_TIMES,
  type SessionState,
  type SessionTimes,
} from '../../src/proto/artp/session/types.ts';
import { VirtualNet, type VirtualSocket } from './virtual-net.ts';

const SERVER_PORT = 7100;
/** What Node's timers resolve. */
const TICK_MS = 1;
/** A core whose deadline stays in the past is broken. */
const MAX_TICKS_AT_ONCE = 1000;

/** Numeric, as Route wants them: the client and the server of path `i`, which only meet each other. */
const clientOf = (path: number): string => `10.0.${path}.1`;
const serverOf = (path: number): string => `10.0.${path}.2`;

export interface SessionPairOptions {
  readonly seed: number;
  /** UDP paths there are from the start; default 1. */
  readonly paths?: number;
  readonly budgetMs?: number;
  readonly times?: Partial<SessionTimes>;
}

/** One session, its sockets, and all it has told. */
export class SessionEnd {
  readonly session: Session;
  readonly states: { readonly state: SessionState; readonly at: number }[] = [];
  readonly messages: Json[] = [];
  readonly counts = new Map<string, number>();
  ended: Termination | undefined;
  /** How a datagram leaves for `route`; undefined: no such socket. */
  readonly ways = new Map<string, (bytes: Uint8Array, length: number) => void>();

  constructor(side: 'client' | 'server', net: VirtualNet, o: SessionPairOptions) {
    const random = seededRandom(o.seed * 2 + (side === 'client' ? 0 : 1));
    const [client, server] = [Buffer.alloc(8, 0xc1), Buffer.alloc(8, 0x5e)];
    this.session = new Session({
      side,
      secret: Buffer.alloc(32, 0x11),
      suite: 'aes-128-gcm',
      ours: side === 'client' ? client : server,
      theirs: side === 'client' ? server : client,
      random: n => Buffer.from(Array.from({ length: n }, () => Math.floor(random() * 256))),
      times: { ...SESSION_TIMES, ...o.times },
      budgetMs: o.budgetMs ?? 100,
      now: net.clock.now(),
      transmit: (bytes, length, route) => {
        const way = this.ways.get(keyOf(route));
        if (way === undefined) this.#count('no-way');
        else way(bytes, length);
      },
      count: reason => this.#count(reason),
    });
    net.clock.every(TICK_MS, now => this.look(now));
  }

  /** What is due, and all it tells. */
  look(now: number): void {
    for (let i = 0; this.session.deadline <= now; i++) {
      if (i > MAX_TICKS_AT_ONCE) throw new Error(`deadline ${this.session.deadline} is never met at ${now}`);
      this.session.tick(now);
    }
    for (let e = this.session.poll(); e !== undefined; e = this.session.poll()) {
      if (e.type === 'state') this.states.push({ state: e.state, at: now });
      else if (e.type === 'message') this.messages.push(e.message);
      else if (e.type === 'ended') this.ended = e.why;
    }
  }

  hear(bytes: Buffer, route: Route, now: number): void {
    this.session.receive(bytes, route, now);
    this.look(now);
  }

  #count(reason: string): void {
    this.counts.set(reason, (this.counts.get(reason) ?? 0) + 1);
  }
}

/** Two sessions of one secret, joined by paths through a virtual network: media, feedback and control may all be lost. */
export class SessionPair {
  readonly net: VirtualNet;
  readonly client: SessionEnd;
  readonly server: SessionEnd;
  readonly #sockets = new Map<number, { socket: VirtualSocket; route: Route }>();
  #streams = 0;

  constructor(o: SessionPairOptions) {
    this.net = new VirtualNet(o.seed);
    this.client = new SessionEnd('client', this.net, o);
    this.server = new SessionEnd('server', this.net, o);
    for (let path = 0; path < (o.paths ?? 1); path++) this.openPath(path);
  }

  get now(): number {
    return this.net.clock.now();
  }
  run(ms: number): void {
    this.net.clock.run(ms);
  }

  /** Both directions of a path; `back`: the way from the server, default the same. */
  impair(path: number, there: Impairment, back: Impairment = there): void {
    this.net.impair(clientOf(path), serverOf(path), there, back);
  }

  /** What one direction of a path was handed so far, and what became of it. */
  statsOf(path: number, from: 'client' | 'server'): LinkStats {
    const [a, b] = [clientOf(path), serverOf(path)];
    return (from === 'client' ? this.net.link(a, b) : this.net.link(b, a)).stats;
  }

  /** Bytes sent into one direction of all paths so far, headers of IP and UDP counted. */
  sentBytes(from: 'client' | 'server'): number {
    return [...this.#sockets.keys()].reduce((sum, path) => sum + this.statsOf(path, from).bytes, 0);
  }

  /** The client gets a network; the server learns of it by what comes. */
  openPath(path: number): void {
    const [address, far] = [clientOf(path), serverOf(path)];
    if (!this.#sockets.has(path)) this.#serve(far);
    const route: Route = { kind: 'udp', address: far, port: SERVER_PORT };
    const socket = this.net.open(address, 0, (bytes, _from, _port, now) =>
      this.client.hear(bytes, route, now),
    );
    this.#sockets.set(path, { socket, route });
    this.client.ways.set(keyOf(route), (bytes, length) => socket.send(bytes, length, SERVER_PORT, far));
    this.client.session.addRoute(route, this.now);
  }

  /** The client's socket goes, as when a network does. */
  closePath(path: number): void {
    const { socket, route } = this.#sockets.get(path)!;
    socket.close();
    this.client.ways.delete(keyOf(route));
    this.client.session.dropRoute(route, this.now);
  }

  /** Another port, unknown to the session, as when a NAT forgets a binding. */
  rebind(path: number): void {
    const there = this.#sockets.get(path)!;
    there.socket.close();
    const socket = this.net.open(clientOf(path), 0, (bytes, _from, _port, now) =>
      this.client.hear(bytes, there.route, now),
    );
    this.#sockets.set(path, { socket, route: there.route });
    this.client.ways.set(keyOf(there.route), (bytes, length) =>
      socket.send(bytes, length, SERVER_PORT, serverOf(path)),
    );
  }

  /** A control stream that carries datagrams too: nothing is lost on it. Answers with its end. */
  openStream(delayMs = 20): () => void {
    const route: Route = { kind: 'stream', address: `stream-${++this.#streams}`, port: 0 };
    const { clock } = this.net;
    let open = true;
    const towards =
      (end: SessionEnd) =>
      (bytes: Uint8Array, length: number): void => {
        const copy = Buffer.from(bytes.subarray(0, length));
        clock.at(clock.now() + delayMs, () => {
          if (open) end.hear(copy, route, clock.now());
        });
      };
    this.client.ways.set(keyOf(route), towards(this.server));
    this.server.ways.set(keyOf(route), towards(this.client));
    this.client.session.addRoute(route, this.now);
    this.server.session.addRoute(route, this.now);
    return () => {
      open = false;
      for (const end of [this.client, this.server]) {
        end.ways.delete(keyOf(route));
        end.session.dropRoute(route, this.now);
      }
    };
  }

  #serve(address: string): void {
    const socket = this.net.open(address, SERVER_PORT, (bytes, from, port, now) => {
      const route: Route = { kind: 'udp', address: from, port };
      this.server.ways.set(keyOf(route), (out, length) => socket.send(out, length, port, from));
      this.server.hear(bytes, route, now);
    });
  }
}

const keyOf = (r: Route): string => `${r.kind} ${r.address} ${r.port}`;
