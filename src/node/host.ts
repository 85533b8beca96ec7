import { networkInterfaces } from 'node:os';
import type { Clock, Gateway, Host, HttpMount, LadderStep, Log, Ticket, TicketRequest } from '../contract.ts';
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
    advertisedAddress: peer => parts.externalAddress ?? (isLoopback(peer) ? '127.0.0.1' : ownAddress()),
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
    authRequired: access.required,
    ladder: parts.ladder,
    count: (name, reason) => parts.count(gateway.name, name, reason),
  };
}

const isLoopback = (peer: string | undefined): boolean =>
  peer !== undefined && (peer.startsWith('127.') || peer === '::1');

/** The first address of this host that others can reach; loopback when there is none. */
export function ownAddress(): string {
  for (const list of Object.values(networkInterfaces()))
    for (const a of list ?? []) if (!a.internal && a.family === 'IPv4') return a.address;
  return '127.0.0.1';
}
