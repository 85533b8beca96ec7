import type { ProcessAdvert, RelayAdvert } from '../agents/advert.ts';
import { runsPart } from '../config/roles.ts';
import type { Platform } from '../config.ts';
import type { Clock, Log } from '../contract.ts';
import { systemResolver } from '../io/resolver.ts';
import { writeTag } from '../proto/artp/relay/connection-id.ts';
import { MAX_OFFERS, type RouterOffer } from '../proto/artp/relay/relay-routes.ts';
import { relayTicket } from '../proto/artp/relay/ticket.ts';
import type { PairReport } from '../routing/report.ts';
import { Addresses } from './addresses.ts';
import { RouterNode } from './router.ts';

export interface RelaysOptions {
  readonly config: Pick<Platform, 'roles' | 'region' | 'router' | 'externalAddress'> & {
    readonly bus: Pick<Platform['bus'], 'url'>;
  };
  readonly process: string;
  readonly secret: (name: string) => Promise<Buffer>;
  readonly processes: () => Iterable<ProcessAdvert>;
  readonly clock: Clock;
  readonly log: Log;
  readonly count: (reason: string) => void;
  /** The advert would now read differently. */
  readonly changed: () => void;
}

/** What this process has to do with routers: the one it runs, the sockets they relay to, and the tickets it gives. */
export class Relays {
  readonly #o: RelaysOptions;
  readonly #addresses: Addresses;
  readonly #servers: RelayAdvert[] = [];
  #router: RouterNode | undefined;
  #shared: Buffer | undefined;
  #asking = false;

  constructor(options: RelaysOptions) {
    this.#o = options;
    this.#addresses = new Addresses(systemResolver(), options.clock);
  }

  /** Opens the router, where this process is one. Alone in one process there is nobody to relay for. */
  async start(): Promise<void> {
    const { config, secret } = this.#o;
    if (config.bus.url === undefined || !runsPart(config.roles, 'router')) return;
    const shared = await secret('routers');
    const router = new RouterNode({ ...this.#o, region: config.region, shared, addresses: this.#addresses });
    await router.start();
    this.#shared = shared;
    this.#router = router;
    this.#o.log.info({ port: router.port }, 'router listens');
    this.#o.changed();
  }

  /** A socket of this process that serves aRTP: the connection ids it chooses begin with `tag`. The next advert says so. */
  serve(tag: number, host: string, port: number): void {
    if (this.#o.config.bus.url === undefined) return;
    this.#servers.push({ tag: writeTag(tag), host, port });
  }

  /**
   * Routers a client may reach this server by, with its tickets: one of each region, this one's first. `client` and
   * `server` are the connection ids of their session.
   */
  offers(client: Uint8Array, server: Uint8Array): RouterOffer[] {
    const byRegion = new Map<string, { process: string; host: string; port: number }>();
    for (const { process, region, router } of this.#o.processes()) {
      const host = router && this.#addresses.of(router.host);
      if (router === undefined || host === undefined) continue;
      const first = byRegion.get(region);
      if (first === undefined || process < first.process)
        byRegion.set(region, { process, host, port: router.port });
    }
    const shared = byRegion.size === 0 ? undefined : this.#key();
    if (shared === undefined) return [];
    const ticket = relayTicket(shared, client, server, Date.now());
    return [...byRegion]
      .sort(([a], [b]) => Number(b === this.#o.config.region) - Number(a === this.#o.config.region))
      .slice(0, MAX_OFFERS)
      .map(([, { process, host, port }]) => ({ id: process, host, port, ticket }));
  }

  /** Whether the router of that process is one of this region. */
  isNear(process: string): boolean {
    for (const p of this.#o.processes()) if (p.process === process) return p.region === this.#o.config.region;
    return false;
  }

  /** The shared key, once it has been read; without it no router is offered yet. */
  #key(): Buffer | undefined {
    if (this.#shared === undefined && !this.#asking) {
      this.#asking = true;
      this.#o
        .secret('routers')
        .then(shared => void (this.#shared = shared))
        .catch(() => {}) // the bus is away: whoever asks next tries again
        .finally(() => void (this.#asking = false));
    }
    return this.#shared;
  }

  advert(): Pick<ProcessAdvert, 'router' | 'servers'> {
    const router = this.#router?.advert();
    return { ...(router && { router }), ...(this.#servers.length > 0 && { servers: this.#servers }) };
  }

  reports(): PairReport[] {
    return this.#router?.reports() ?? [];
  }

  get stats(): {
    readonly relayed: number;
    readonly relayedBytes: number;
    readonly twice: number;
    readonly bindings: number;
  } {
    const { relayed = 0, relayedBytes = 0, twice = 0 } = this.#router?.stats ?? {};
    return { relayed, relayedBytes, twice, bindings: this.#router?.bindings ?? 0 };
  }

  close(): void {
    this.#router?.close();
  }
}
