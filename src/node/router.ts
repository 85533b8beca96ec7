import { randomBytes } from 'node:crypto';
import { isIP } from 'node:net';
import type { ProcessAdvert, RelayAdvert } from '../agents/advert.ts';
import type { Platform } from '../config.ts';
import type { Clock } from '../contract.ts';
import { openUdp, type UdpSocket } from '../io/udp.ts';
import { refuse } from '../kit/refusal.ts';
import { NO_TAG, newTag, readTag, writeTag } from '../proto/artp/relay/connection-id.ts';
import type { RouterAt, ServerAt } from '../routing/places.ts';
import { type PairReport, pairReport, type RouterName } from '../routing/report.ts';
import { Router } from '../routing/router.ts';
import { scorePath } from '../routing/score.ts';
import type { Addresses } from './addresses.ts';
import { isWildcard, ownAddress } from './host.ts';

export interface RouterNodeOptions {
  readonly config: Pick<Platform, 'router' | 'externalAddress'>;
  readonly process: string;
  readonly region: string;
  /** What all routers and servers of the system share (`Host.secret`). */
  readonly shared: Uint8Array;
  /** Every process of the system, as its last advert says. */
  readonly processes: () => Iterable<ProcessAdvert>;
  readonly clock: Clock;
  readonly addresses: Addresses;
  /** What was dropped, by reason. */
  readonly count: (reason: string) => void;
}

/** Adverts come once a second. */
const LOOK_MS = 1000;

/** The relay of this process: a UDP socket, a timer, and the adverts, for the core that decides. */
export class RouterNode {
  readonly #o: RouterNodeOptions;
  readonly #tag = newTag(randomBytes);
  readonly #core: Router;
  readonly #names = new Map<number, RouterName>();
  #socket: UdpSocket | undefined;
  #host = '';
  #known = '';
  #armed = Number.POSITIVE_INFINITY;
  #disarm: () => void = () => {};
  #stopLooking: () => void = () => {};
  #closed = false;

  constructor(options: RouterNodeOptions) {
    const { clock, shared, region, count } = options;
    this.#o = options;
    this.#core = new Router({
      tag: this.#tag,
      region,
      shared,
      cookieKey: randomBytes(32),
      unixOfZero: Date.now() - clock.now(),
      score: scorePath,
      send: (bytes, address, port) => this.#socket?.send(bytes, bytes.length, port, address),
      count,
      now: clock.now(),
    });
  }

  /** Opens the port. Throws a Refusal that names the one in use. */
  async start(): Promise<void> {
    const { config, clock } = this.#o;
    const { address = '0.0.0.0', port } = config.router;
    this.#socket = await openUdp({
      family: isIP(address) === 6 ? 6 : 4,
      address,
      port,
      clock,
      on: (bytes, from, fromPort, now) => {
        this.#core.receive(bytes, from, fromPort, now);
        this.#arm();
      },
    }).catch(error => {
      throw refuse(
        'server',
        'port-unavailable',
        `UDP port ${port} on ${address} cannot be opened for the router (${error.message}): ` +
          'end the program that has it or set router.port to another one.',
      );
    });
    this.#host = config.externalAddress ?? (isWildcard(address) ? ownAddress() : address);
    this.#look();
  }

  get port(): number {
    return this.#socket?.port ?? 0;
  }
  get stats(): Router['stats'] {
    return this.#core.stats;
  }
  get bindings(): number {
    return this.#core.bindings;
  }

  advert(): RelayAdvert | undefined {
    if (this.#socket === undefined) return undefined;
    return { tag: writeTag(this.#tag), host: this.#host, port: this.#socket.port };
  }

  /** All paths from here to the other routers. */
  reports(): PairReport[] {
    const { clock, process, region } = this.#o;
    return this.#core
      .views(clock.now())
      .map(pair => pairReport({ process, region }, pair, tag => this.#names.get(tag)));
  }

  /** Idempotent. */
  close(): void {
    this.#closed = true;
    this.#disarm();
    this.#stopLooking();
    this.#socket?.close();
  }

  #look(): void {
    if (this.#closed) return;
    const { clock, processes } = this.#o;
    const routers: RouterAt[] = [];
    const servers: ServerAt[] = [];
    for (const { process, region, router, servers: sockets } of processes()) {
      const at = router && this.#at(router, region);
      if (at !== undefined) {
        routers.push(at);
        this.#names.set(at.tag, { process, region });
      }
      for (const socket of sockets ?? []) {
        const server = this.#at(socket, region);
        if (server !== undefined) servers.push(server);
      }
    }
    const known = JSON.stringify([routers, servers]);
    if (known !== this.#known) this.#core.know(routers, servers, clock.now());
    this.#known = known;
    for (const tag of this.#names.keys()) if (!routers.some(r => r.tag === tag)) this.#names.delete(tag);
    this.#arm();
    this.#stopLooking = clock.at(clock.now() + LOOK_MS, () => this.#look());
  }

  #at({ tag, host, port }: RelayAdvert, region: string): RouterAt | undefined {
    const number = readTag(tag);
    const address = this.#o.addresses.of(host);
    return number === NO_TAG || address === undefined ? undefined : { tag: number, address, port, region };
  }

  #arm(): void {
    const { deadline } = this.#core;
    if (this.#closed || deadline >= this.#armed) return;
    this.#disarm();
    this.#armed = deadline;
    this.#disarm = this.#o.clock.at(deadline, () => {
      this.#armed = Number.POSITIVE_INFINITY;
      this.#core.tick(this.#o.clock.now());
      this.#arm();
    });
  }
}
