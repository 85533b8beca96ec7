import { isIP } from 'node:net';
import { networkInterfaces } from 'node:os';
import type {
  Clock,
  Gateway,
  Host,
  HttpMount,
  Json,
  LadderStep,
  Log,
  RelayOffer,
  Ticket,
  TicketRequest,
} from '../contract.ts';
import type { Access } from '../ops/access.ts';
import type { LegDesk } from './leg-desk.ts';
import type { RoomFinder } from './room-finder.ts';

export interface HostParts {
  readonly process: string;
  readonly log: Log & { child(fields: Record<string, string>): Log };
  readonly clock: Clock;
  readonly http: HttpMount | undefined;
  readonly externalAddress: string | undefined;
  readonly legs: LegDesk;
  readonly finder: RoomFinder;
  readonly access: Access;
  readonly ticket: (ask: TicketRequest) => Promise<Ticket>;
  readonly secret: (name: string) => Promise<Buffer>;
  readonly relays: {
    serve(tag: number, host: string, port: number): void;
    offers(client: Uint8Array, server: Uint8Array): readonly RelayOffer[];
  };
  /** See `Host.siblings`, of that gateway. */
  readonly siblings: (gateway: string) => readonly Json[];
  readonly sessionKeepMs: number;
  readonly ladder: (leg: string, step: LadderStep) => void;
  readonly count: (gateway: string, name: string, reason: string) => void;
}

/** What one gateway sees of the platform. */
export function createHost(gateway: Gateway, parts: HostParts): Host {
  const { legs, finder, access } = parts;
  return {
    process: parts.process,
    log: parts.log.child({ gateway: gateway.name }),
    clock: parts.clock,
    ...(parts.http && { http: parts.http }),
    advertisedAddress: peer => advertised(parts.externalAddress, peer),
    place: (request, on, signal) => legs.place(request, on, signal),
    ticket: parts.ticket,
    room: {
      mute: async (room, participant, media, on) =>
        void (await finder.ask({ type: 'mute', room, participant, media, on })),
      text: async (room, participant, text) =>
        void (await finder.ask({ type: 'text', room, participant, text })),
    },
    tell: (room, participant, fact) => {
      finder.ask({ type: 'tell', room, participant, fact }).catch(() => {}); // the room is gone: nobody to tell
    },
    digestPasswords: username => access.digestPasswords(username, Date.now()),
    secret: parts.secret,
    relay: {
      serve(tag, address, port) {
        const host = isWildcard(address) ? ownAddress() : address;
        parts.relays.serve(tag, parts.externalAddress ?? host, port);
      },
      offers: (client, server) => parts.relays.offers(client, server),
    },
    siblings: () => parts.siblings(gateway.name),
    sessionKeepMs: parts.sessionKeepMs,
    authRequired: access.required,
    ladder: parts.ladder,
    count: (name, reason) => parts.count(gateway.name, name, reason),
  };
}

export const isWildcard = (address: string): boolean => address === '0.0.0.0' || address === '::';

const isLoopback = (peer: string | undefined): boolean =>
  peer !== undefined && (peer.startsWith('127.') || peer === '::1');

/** `external` is for peers of its own address family; a peer of the other sees an address of this host. */
function advertised(external: string | undefined, peer: string | undefined): string {
  const family = peer !== undefined && isIP(peer) === 6 ? 6 : 4;
  const known = external === undefined || isIP(external) === 0 ? 0 : isIP(external);
  if (external !== undefined && (known === 0 || known === family)) return external;
  if (family === 4) return isLoopback(peer) ? '127.0.0.1' : ownAddress();
  return isLoopback(peer) ? '::1' : (firstOf('IPv6') ?? external ?? ownAddress());
}

/** The first address of this host that others can reach; loopback when there is none. */
export const ownAddress = (): string => firstOf('IPv4') ?? '127.0.0.1';

function firstOf(family: 'IPv4' | 'IPv6'): string | undefined {
  // Link-local ones (RFC 4291 §2.5.6) mean nothing without the interface.
  for (const list of Object.values(networkInterfaces()))
    for (const a of list ?? [])
      if (!a.internal && a.family === family && !a.address.startsWith('fe80:')) return a.address;
  return undefined;
}
