import { randomBytes } from 'node:crypto';
import type { ProcessAdvert, RoomNodeAdvert } from '../agents/advert.ts';
import type { Platform } from '../config.ts';
import type { Clock, Log } from '../contract.ts';
import { refuse } from '../kit/refusal.ts';
import { LinkClient } from '../link/client.ts';
import { LinkServer } from '../link/server.ts';
import { newTag } from '../proto/artp/relay/connection-id.ts';
import type { RoomPort } from '../room/port.ts';
import { ownAddress } from './host.ts';
import type { Identity } from './identity.ts';
import type { Relays } from './relays.ts';
import type { RemoteRooms } from './room-finder.ts';
import type { RoomNode } from './room-node.ts';

export interface RoomLinksOptions {
  readonly config: Platform;
  readonly identity: Identity;
  /** The rooms of this process, to be reached by others. */
  readonly rooms: RoomNode | undefined;
  /** Routers links may go by. */
  readonly relays: Pick<Relays, 'serve' | 'offers' | 'isNear'>;
  /** Whether a certificate is that of a process of this system. */
  readonly trusted: (fingerprint: string) => boolean;
  readonly clock: Clock;
  readonly log: Log;
  readonly count: (reason: string) => void;
}

/** The aRTP links of this process: a server when it hosts rooms for others, a client for each room node it joins. */
export class RoomLinks implements RemoteRooms {
  readonly #o: RoomLinksOptions;
  readonly #tag = newTag(randomBytes);
  readonly #server: LinkServer | undefined;
  readonly #clients = new Map<string, LinkClient>();
  /** Nodes that said goodbye or fell silent. */
  readonly #left = new Set<string>();
  #address: Pick<RoomNodeAdvert, 'host' | 'tlsPort' | 'udpPort'> = { host: '', tlsPort: 0, udpPort: 0 };

  constructor(options: RoomLinksOptions) {
    this.#o = options;
    const { config, identity, rooms, relays, trusted } = options;
    // Alone in one process nobody links: no port is opened.
    if (rooms === undefined || config.bus.url === undefined) return;
    this.#server = new LinkServer({
      ...this.#common(),
      process: identity.process,
      address: config.artp.address ?? '0.0.0.0',
      udpPort: config.artp.port,
      tlsPort: config.artp.tlsPort,
      trusted,
      tag: this.#tag,
      routers: (client, server) => relays.offers(client, server),
      rooms: (room, address) => rooms.get(room) ?? rooms.open(room, address),
      log: options.log,
    });
  }

  /** Where others reach the rooms of this process. */
  get address(): Pick<RoomNodeAdvert, 'host' | 'tlsPort' | 'udpPort'> {
    return this.#address;
  }

  /** Processes this one has a link with now. */
  get linked(): ReadonlySet<string> {
    const linked = new Set(this.#server?.linked);
    for (const [process, client] of this.#clients) if (client.stands) linked.add(process);
    return linked;
  }

  /** Round trip of the slowest link this process has opened; undefined while none stands. */
  get slowestMs(): number | undefined {
    const all = [...this.#clients.values()].flatMap(client => client.rttMs ?? []);
    return all.length === 0 ? undefined : Math.max(...all);
  }

  /** Opens the ports. Throws a Refusal that names the one in use. */
  async start(): Promise<void> {
    if (this.#server === undefined) return;
    const { tlsPort, udpPort } = await this.#server.listen();
    const { externalAddress, artp } = this.#o.config;
    const listening = artp.address === undefined || artp.address === '0.0.0.0' ? ownAddress() : artp.address;
    this.#address = { host: externalAddress ?? listening, tlsPort, udpPort };
    this.#o.relays.serve(this.#tag, this.#address.host, udpPort);
  }

  async port(to: ProcessAdvert, room: string): Promise<RoomPort> {
    return this.#client(to).port(room);
  }

  /** Links with a room node of which nothing is wanted yet. */
  stand(to: ProcessAdvert): void {
    this.#client(to).stand();
  }

  #client(to: ProcessAdvert): LinkClient {
    const node = to.roomNode;
    if (node === undefined || node.tlsPort === 0)
      throw refuse(
        'server',
        'no-room-node',
        `Process ${to.process} hosts rooms for itself only; give it bus.url.`,
      );
    this.#left.delete(to.process);
    this.#sweep();
    let client = this.#clients.get(to.process);
    if (client === undefined) {
      client = new LinkClient({
        ...this.#common(),
        process: this.#o.identity.process,
        host: node.host,
        tlsPort: node.tlsPort,
        fingerprint: to.fingerprint,
        // Within a region the straight way is the best one.
        ...(to.region !== this.#o.config.region && { byRouter: id => this.#o.relays.isNear(id) }),
      });
      this.#clients.set(to.process, client);
    }
    return client;
  }

  /**
   * A room node said goodbye or fell silent. The link knows better whether it lives: cut off from the bus, it still
   * carries the legs that are in its rooms. A dead one's link is closed, and forgotten then.
   */
  forget(process: string): void {
    this.#left.add(process);
    this.#sweep();
  }

  #sweep(): void {
    for (const process of this.#left) {
      const client = this.#clients.get(process);
      if (client?.connected) continue;
      this.#left.delete(process);
      this.#clients.delete(process);
      void client?.close();
    }
  }

  async close(): Promise<void> {
    await Promise.all([...this.#clients.values()].map(client => client.close()));
    await this.#server?.close();
  }

  #common() {
    const { identity, clock, log, count } = this.#o;
    return {
      certPem: identity.certPem,
      keyPem: identity.keyPem,
      clock,
      random: randomBytes,
      count,
      onBug: (error: unknown) => log.error({ err: error }, 'bug behind a link'),
    };
  }
}
