import { VirtualNet } from '../../test/harness/virtual-net.ts';
import { Drops } from '../kit/limits.ts';
import { seededRandom } from '../kit/random.ts';
import { RelayBinding } from '../proto/artp/relay/binding.ts';
import { connectionId } from '../proto/artp/relay/connection-id.ts';
import { type RelayTicket, readRelayTicket, relayTicket } from '../proto/artp/relay/ticket.ts';
import { connectionKey, TrailerView, writeTrailer } from '../proto/artp/trailer.ts';
import type { RouterAt, ServerAt } from './places.ts';
import { Router } from './router.ts';
import { scorePath } from './score.ts';

const ROUTER_PORT = 7120;
export const SHARED = Buffer.alloc(32, 7);
export const UNIX_OF_ZERO = 1_800_000_000_000;
const SEALED_BYTES = 60;

/** A seeded stand-in for randomBytes. */
export function seededBytes(seed: number): (bytes: number) => Buffer {
  const random = seededRandom(seed);
  return bytes => Buffer.from(Array.from({ length: bytes }, () => Math.floor(random() * 256)));
}

/** A router on the virtual network, driven as `src/node/router.ts` drives one. */
class VirtualRouter {
  readonly core: Router;
  readonly at: RouterAt;
  readonly drops = new Drops();
  readonly #net: VirtualNet;
  #disarm: () => void = () => {};
  #armed = Number.POSITIVE_INFINITY;
  readonly close: () => void;

  constructor(net: VirtualNet, at: RouterAt) {
    this.#net = net;
    this.at = at;
    const socket = net.open(at.address, at.port, (bytes, address, port, now) => {
      this.core.receive(bytes, address, port, now);
      this.#arm();
    });
    this.core = new Router({
      tag: at.tag,
      region: at.region,
      shared: SHARED,
      cookieKey: Buffer.alloc(32, at.tag),
      unixOfZero: UNIX_OF_ZERO,
      score: scorePath,
      send: (bytes, address, port) => socket.send(bytes, bytes.length, port, address),
      count: reason => this.drops.count(reason),
      now: net.clock.now(),
    });
    this.close = () => {
      socket.close();
      this.#disarm();
      this.#armed = Number.NEGATIVE_INFINITY;
    };
  }

  know(routers: readonly RouterAt[], servers: readonly ServerAt[]): void {
    this.core.know(routers, servers, this.#net.clock.now());
    this.#arm();
  }

  #arm(): void {
    const { deadline } = this.core;
    if (deadline >= this.#armed) return;
    this.#disarm();
    this.#armed = deadline;
    this.#disarm = this.#net.clock.at(deadline, () => {
      this.#armed = Number.POSITIVE_INFINITY;
      this.core.tick(this.#net.clock.now());
      this.#arm();
    });
  }
}

/** What somebody heard: which numbers, when, from where. */
export interface Heard {
  readonly number: number;
  readonly at: number;
  readonly from: string;
  readonly hops: number;
}

/** The longest time without a datagram heard between two times; doubles count as nothing new. */
export function longestGap(heard: readonly Heard[], from: number, to: number): number {
  const seen = new Set<number>();
  let last = from;
  let gap = 0;
  for (const h of heard) {
    if (h.at < from || h.at > to || seen.has(h.number)) continue;
    seen.add(h.number);
    gap = Math.max(gap, h.at - last);
    last = h.at;
  }
  return Math.max(gap, to - last);
}

/** One end of an aRTP session, reduced to what routers see: a datagram every 20 ms, numbered behind the seal. */
class End {
  readonly heard: Heard[] = [];
  readonly ours: Buffer;
  readonly theirs: Buffer;
  /** Where the next datagram goes. */
  to: { address: string; port: number } | undefined;
  binding: RelayBinding | undefined;
  isMute = false;
  readonly #net: VirtualNet;
  #socket;
  #number = 0;
  readonly #trailer = new TrailerView();

  constructor(net: VirtualNet, address: string, port: number, ours: Buffer, theirs: Buffer) {
    this.#net = net;
    this.ours = ours;
    this.theirs = theirs;
    this.#socket = net.open(address, port, this.#on);
    net.clock.every(20, () => this.send());
  }

  readonly #on = (bytes: Buffer, address: string, port: number, now: number): void => {
    if (bytes[0] === 0xf3) return void this.binding?.handle(bytes, now);
    if (this.#trailer.read(bytes) !== undefined) return;
    if (connectionKey(bytes, this.#trailer.start) !== connectionKey(this.ours, 0)) return;
    this.heard.push({ number: bytes.readUInt32BE(12), at: now, from: address, hops: this.#trailer.hops });
    if (this.binding === undefined) this.to = { address, port }; // a server follows its client
  };

  /** Another socket, as after a change of network. */
  move(address: string): void {
    this.#socket.close();
    this.#socket = this.#net.open(address, 0, this.#on);
    this.binding?.again(this.#net.clock.now());
  }

  bindAt(router: RouterAt, ticket: RelayTicket, random: (n: number) => Buffer): void {
    const { clock } = this.#net;
    const binding = new RelayBinding(
      {
        ours: this.ours,
        theirs: this.theirs,
        ticket,
        random,
        send: bytes => this.#socket.send(bytes, bytes.length, router.port, router.address),
        on: isBound => {
          this.to = isBound ? router : undefined;
        },
      },
      clock.now(),
    );
    this.binding = binding;
    clock.every(10, now => binding.tick(now));
  }

  send(): void {
    if (this.to === undefined || this.isMute) return;
    const out = Buffer.alloc(SEALED_BYTES + 15);
    out[0] = 0x80;
    out.writeUInt32BE(++this.#number, 12);
    const length = writeTrailer(
      out,
      SEALED_BYTES,
      this.theirs,
      5,
      this.#number & 0xffff,
      this.#net.clock.now(),
    );
    this.#socket.send(out, length, this.to.port, this.to.address);
  }
}

export const TAGS = { a: 0xa, b: 0xb, c: 0xc, d: 0xd, server: 0x5e };

/** Three routers in three regions, or four; a client beside `a`, its server beside `b`; a good line between each two. */
export function world(seed: number, more: 'd'[] = []) {
  const net = new VirtualNet(seed);
  const random = seededBytes(seed);
  const at = (name: 'a' | 'b' | 'c' | 'd', host: number): RouterAt => ({
    tag: TAGS[name],
    address: `10.0.0.${host}`,
    port: ROUTER_PORT,
    region: name,
  });
  const [a, b, c, d] = [at('a', 1), at('b', 2), at('c', 3), at('d', 4)];
  const serverAt: ServerAt = { tag: TAGS.server, address: '10.1.0.2', port: 7110, region: 'b' };
  const known = [a, b, c, ...more.map(() => d)];
  const routers = known.map(r => new VirtualRouter(net, r)) as [VirtualRouter, VirtualRouter, VirtualRouter];
  const line = (x: string, y: string, delayMs: number): void => net.impair(x, y, { delayMs });
  line(a.address, b.address, 20);
  line(a.address, c.address, 15);
  line(b.address, c.address, 15);
  line(a.address, d.address, 40);
  line(b.address, d.address, 40);
  for (const [end, router] of [
    ['10.1.0.1', a],
    ['10.1.0.2', b],
  ] as const)
    line(end, router.address, 5);
  for (const router of routers) router.know(known, [serverAt]);
  const clientId = random(8);
  const serverId = connectionId(TAGS.server, random);
  const client = new End(net, '10.1.0.1', 5000, clientId, serverId);
  const server = new End(net, serverAt.address, serverAt.port, serverId, clientId);
  const ticket = readRelayTicket(
    relayTicket(SHARED, clientId, serverId, UNIX_OF_ZERO + net.clock.now()),
  ) as RelayTicket;
  return { net, random, a, b, c, d, routers, serverAt, client, server, ticket };
}
