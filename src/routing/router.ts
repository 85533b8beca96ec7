import type { Millis } from '../kit/core.ts';
import { BIND } from '../proto/artp/relay/bind.ts';
import { NO_TAG, tagOf } from '../proto/artp/relay/connection-id.ts';
import { SHORT_TRAILER_BYTES, TrailerView } from '../proto/artp/trailer.ts';
import { Announcements } from './announcements.ts';
import { Bindings } from './bindings.ts';
import { BoundElsewhere } from './bound-elsewhere.ts';
import { CONTROL, type ControlBody, controlKey, readControl, writeControl } from './control.ts';
import { type PathView, PeerLink } from './peer-link.ts';
import { Places, type RouterAt, type ServerAt } from './places.ts';
import type { ScorePath } from './score.ts';

export interface RouterOptions {
  /** New at every start. */
  readonly tag: number;
  readonly region: string;
  /** 32 bytes all routers and servers of the system share. */
  readonly shared: Uint8Array;
  /** 32 bytes of this start alone. */
  readonly cookieKey: Uint8Array;
  /** Unix ms of the monotonic clock's 0. */
  readonly unixOfZero: number;
  readonly score: ScorePath;
  /** `bytes` is not touched again before the call returns; sent twice at times. */
  readonly send: (bytes: Uint8Array, address: string, port: number) => void;
  /** What was dropped, by reason. */
  readonly count: (reason: string) => void;
  readonly now: Millis;
}

/** All paths from this router to another one. */
export interface PairView {
  readonly tag: number;
  readonly chosen: number;
  readonly standby: number | undefined;
  readonly switchesLastHour: number;
  readonly paths: readonly PathView[];
}

const MAX_DATAGRAM = 2048;
const MAX_ROUTERS = 64;
const EXPIRE_MS = 5000;
/** In, between, out: a datagram passes no more routers. */
const MAX_HOPS = 3;

interface Peer {
  readonly at: RouterAt;
  readonly link: PeerLink;
  /** Number of its last announcement taken. */
  announced: number;
}

/**
 * Relays aRTP datagrams by their connection id and changes nothing of them but the count of routers passed. What enters
 * must come from a client bound here and go to its server, or from a server and go to a client of its own.
 */
export class Router {
  readonly #o: RouterOptions;
  readonly #key: Buffer;
  readonly #trailer = new TrailerView();
  readonly #bindings: Bindings;
  readonly #elsewhere = new BoundElsewhere();
  readonly #peers = new Map<number, Peer>();
  #servers = new Map<number, ServerAt>();
  readonly #places = new Places();
  readonly #announcements: Announcements;
  #expireAt: Millis;
  /** Datagrams relayed, and those of them sent by a second path as well. */
  readonly stats = { relayed: 0, relayedBytes: 0, twice: 0 };

  constructor(options: RouterOptions) {
    this.#o = options;
    this.#key = controlKey(options.shared);
    this.#bindings = new Bindings(options);
    this.#announcements = new Announcements(body => this.#tellAll(body), options.now);
    this.#expireAt = options.now + EXPIRE_MS;
  }

  get bindings(): number {
    return this.#bindings.size;
  }

  /** Who there is now: routers but this one, and the sockets that serve. */
  know(routers: readonly RouterAt[], servers: readonly ServerAt[], now: Millis): void {
    const others = routers.filter(r => r.tag !== this.#o.tag).slice(0, MAX_ROUTERS);
    for (const [tag, { at }] of this.#peers)
      if (!others.some(r => r.tag === tag && r.address === at.address && r.port === at.port)) {
        this.#peers.delete(tag);
        this.#elsewhere.forget(tag);
      }
    for (const at of others)
      if (!this.#peers.has(at.tag)) {
        const link = new PeerLink(this.#o.score, (via, body) => this.#say(at.tag, via, body), now);
        this.#peers.set(at.tag, { at, link, announced: 0 });
      }
    this.#servers = new Map(servers.map(s => [s.tag, s]));
    this.#places.know(others, servers);
    this.#setBetween();
  }

  /** Any other router may stand between; of many, the nearest to us. */
  #setBetween(): void {
    const near = [...this.#peers].sort(
      ([a, x], [b, y]) => (x.link.rttMs ?? 1e9) - (y.link.rttMs ?? 1e9) || a - b,
    );
    for (const [tag, { link }] of this.#peers) link.between(near.map(([t]) => t).filter(t => t !== tag));
  }

  get deadline(): Millis {
    let first = Math.min(this.#announcements.deadline, this.#expireAt);
    for (const { link } of this.#peers.values()) first = Math.min(first, link.deadline);
    return first;
  }

  tick(now: Millis): void {
    for (const { link } of this.#peers.values()) link.tick(now);
    this.#announcements.tick(this.#bindings.all(), now);
    if (now >= this.#expireAt) {
      this.#expireAt = now + EXPIRE_MS;
      for (const binding of this.#bindings.expire(now)) this.#announcements.changed(binding, false, now);
      this.#elsewhere.expire(now);
      this.#setBetween();
    }
  }

  /** One datagram of the socket; `b` is ours from here on. Junk is counted, never thrown. */
  receive(b: Buffer, address: string, port: number, now: Millis): void {
    const junk =
      b[0] === CONTROL
        ? this.#control(b, address, port, now)
        : b[0] === BIND
          ? this.#bind(b, address, port, now)
          : this.#relay(b, address, port, now);
    if (junk !== undefined) this.#o.count(junk);
  }

  #relay(b: Buffer, address: string, port: number, now: Millis): string | undefined {
    const trailer = this.#trailer;
    if (b.length > MAX_DATAGRAM) return 'oversize';
    const junk = trailer.read(b);
    if (junk !== undefined) return junk;
    if (!trailer.hasConnection) return 'no-connection';
    const { hops, start } = trailer;
    if (hops >= MAX_HOPS) return 'loop';
    const fromRouter = this.#places.routerAt(address, port) !== NO_TAG;
    if (hops > 0 !== fromRouter) return hops > 0 ? 'not-a-router' : 'bad-hops';
    const refused = hops === 0 ? this.#mayEnter(b, start, address, port, now) : undefined;
    if (refused !== undefined) return refused;
    b[b.length - SHORT_TRAILER_BYTES] = ((hops + 1) << 6) | trailer.path;

    const bound = this.#bindings.of(b, start);
    if (bound !== undefined) return this.#deliver(b, bound.address, bound.port);
    const elsewhere = this.#elsewhere.of(b, start);
    if (elsewhere.length > 0) {
      const alive = elsewhere.find(e => this.#peers.get(e.router)?.link.isAlive) ?? elsewhere[0];
      return this.#onward(b, this.#peers.get((alive as { router: number }).router), hops, now);
    }
    const server = this.#servers.get(tagOf(b, start));
    if (server === undefined) return 'unknown-connection';
    const home = this.#homeOf(server);
    return home === undefined || hops >= 2
      ? this.#deliver(b, server.address, server.port)
      : this.#onward(b, home, hops, now);
  }

  /** Only between a client that showed its ticket and the server that gave it. */
  #mayEnter(b: Buffer, at: number, address: string, port: number, now: Millis): string | undefined {
    const tags = this.#places.serverTagsAt(address, port);
    if (tags.length > 0) {
      const bound = this.#bindings.of(b, at);
      if (bound !== undefined) return tags.includes(bound.serverTag) ? undefined : 'not-its-client';
      const elsewhere = this.#elsewhere.of(b, at);
      if (elsewhere.length === 0) return 'unknown-connection';
      return elsewhere.some(e => tags.includes(e.serverTag)) ? undefined : 'not-its-client';
    }
    const bindings = this.#bindings.from(address, port);
    if (bindings.length === 0) return 'stranger';
    for (const binding of bindings)
      if (binding.server.equals(b.subarray(at, at + binding.server.length))) {
        binding.heardAt = now;
        return undefined;
      }
    return 'not-its-server';
  }

  /** The router nearest to a server: one of its region. Undefined: that is us, or there is none that lives. */
  #homeOf(server: ServerAt): Peer | undefined {
    if (server.region === this.#o.region) return undefined;
    let home: Peer | undefined;
    for (const peer of this.#peers.values())
      if (
        peer.at.region === server.region &&
        peer.link.isAlive &&
        (home === undefined || peer.at.tag < home.at.tag)
      )
        home = peer;
    return home;
  }

  #deliver(b: Buffer, address: string, port: number): undefined {
    this.stats.relayed++;
    this.stats.relayedBytes += b.length;
    this.#o.send(b, address, port);
  }

  /** To the router where it leaves: from where it entered by the path chosen, from between only straight on. */
  #onward(b: Buffer, to: Peer | undefined, hops: number, now: Millis): string | undefined {
    if (to === undefined) return 'router-lost';
    if (hops >= 2) return 'loop';
    if (hops === 1) return this.#deliver(b, to.at.address, to.at.port);
    to.link.busy(now);
    const { chosen, along } = to.link.chooser;
    const first = this.#next(to, chosen);
    this.#deliver(b, first.address, first.port);
    if (along === undefined || along === chosen) return undefined;
    const second = this.#next(to, along);
    this.stats.twice++;
    this.#o.send(b, second.address, second.port);
    return undefined;
  }

  #next(to: Peer, via: number): RouterAt {
    return (via === NO_TAG ? undefined : this.#peers.get(via)?.at) ?? to.at;
  }

  #bind(b: Buffer, address: string, port: number, now: Millis): string | undefined {
    const result = this.#bindings.bind(b, address, port, now);
    if (result.type === 'junk') return result.reason;
    this.#o.send(result.bytes, address, port);
    if (result.type === 'bound' && result.isNew) this.#announcements.changed(result.binding, true, now);
    return undefined;
  }

  /** By the path traffic takes, and by a second one while that does. */
  #tellAll(body: ControlBody): void {
    for (const [tag, { link }] of this.#peers) {
      const { chosen, along } = link.chooser;
      this.#say(tag, chosen, body);
      if (along !== undefined && along !== chosen) this.#say(tag, along, body);
    }
  }

  #say(to: number, via: number, body: ControlBody): void {
    const next = this.#peers.get(via === NO_TAG ? to : via)?.at;
    if (next === undefined) return;
    this.#o.send(writeControl({ from: this.#o.tag, to, via, body }, this.#key), next.address, next.port);
  }

  #control(b: Buffer, address: string, port: number, now: Millis): string | undefined {
    const router = this.#places.routerAt(address, port);
    if (router === NO_TAG) return 'not-a-router';
    const m = readControl(b, this.#key);
    if (typeof m === 'string') return m;
    if (m.to !== this.#o.tag) {
      const to = this.#peers.get(m.to);
      if (m.via !== this.#o.tag || router !== m.from || to === undefined) return 'misrouted-control';
      this.#o.send(b, to.at.address, to.at.port);
      return undefined;
    }
    const from = this.#peers.get(m.from);
    if (from === undefined || router !== (m.via === NO_TAG ? m.from : m.via)) return 'misrouted-control';
    switch (m.body.kind) {
      case 'probe':
        return from.link.probed(m.via, m.body.number, m.body.time, now);
      case 'answer':
        return from.link.answered(m.via, m.body.number, m.body.records, now);
      case 'bindings':
        if (m.body.number <= from.announced) return undefined; // by the other path, or out of order: it is repeated
        from.announced = m.body.number;
        for (const a of m.body.bindings) this.#elsewhere.note(m.from, a, now);
        return undefined;
    }
  }

  views(now: Millis): PairView[] {
    return [...this.#peers].map(([tag, { link }]) => ({
      tag,
      chosen: link.chooser.chosen,
      standby: link.chooser.standby,
      switchesLastHour: link.chooser.switchesLastHour(now),
      paths: link.views(now),
    }));
  }
}
