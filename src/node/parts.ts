import { randomBytes } from 'node:crypto';
import { inProcessBus } from '../bus/in-process.ts';
import { natsBus } from '../bus/nats.ts';
import type { Bus, BusOptions } from '../bus/port.ts';
import type { Loaded } from '../config.ts';
import type { Clock, Ticket, TicketRequest } from '../contract.ts';
import type { Closing } from '../kit/closing.ts';
import { Access } from '../ops/access.ts';
import { adminKey, openDataDir } from '../ops/data-dir.ts';
import type { RootLog } from '../ops/log.ts';
import { Metrics } from '../ops/metrics.ts';
import { Tickets } from '../ops/tickets.ts';
import { Admission } from './admission.ts';
import { AgentDesk } from './agent-desk.ts';
import { DialDesk } from './dial-desk.ts';
import { createIdentity, type Identity } from './identity.ts';
import { Ladders } from './ladders.ts';
import { LegDesk } from './leg-desk.ts';
import { Lobby } from './lobby.ts';
import { Mesh } from './mesh.ts';
import { serveProcess } from './process-service.ts';
import { RoomFinder } from './room-finder.ts';
import { RoomLinks } from './room-links.ts';
import { RoomNode } from './room-node.ts';
import { serveRooms } from './room-service.ts';
import { Seats } from './seats.ts';
import { Ticker } from './ticker.ts';
import { ticketDesk } from './tickets.ts';
import { Wills } from './wills.ts';

export interface PartsOptions {
  readonly config: Loaded;
  readonly log: RootLog;
  readonly clock: Clock;
  readonly version: string;
  /** First address of the HTTP server, once there is one. */
  readonly httpBase: () => string;
}

/** What every process has, whatever its roles, joined to the bus. */
export interface Parts {
  readonly process: string;
  readonly metrics: Metrics;
  readonly bus: Bus;
  readonly access: Access;
  readonly admin: { readonly key: string; readonly file?: string };
  readonly mesh: Mesh;
  readonly finder: RoomFinder;
  /** Absent: this process hosts no rooms. */
  readonly rooms: RoomNode | undefined;
  readonly desk: AgentDesk;
  readonly dials: DialDesk;
  readonly wills: Wills;
  readonly legs: LegDesk;
  readonly ladders: Ladders;
  readonly ticket: (ask: TicketRequest) => Promise<Ticket>;
}

const REGION = 'default';

/** Builds and joins them in order of dependency; each step that opens something adds its undoing to `closing`. */
export async function createParts(options: PartsOptions, closing: Closing): Promise<Parts> {
  const { config, log, clock, version } = options;
  const { platform } = config;
  const identity = createIdentity();
  const { process } = identity;
  const metrics = new Metrics();
  const bus = await openBus(config, process, { clock, log, metrics });
  closing.add(() => bus.close());

  await openDataDir(platform.dataDir);
  const admin = await adminKey(platform.dataDir, platform.auth.adminKey);
  const tickets = new Tickets({ random: randomBytes });
  const access = new Access({
    apps: platform.auth.apps,
    adminKey: admin.key,
    tickets,
    onFault: (where, fault) => metrics.count(where, 'access_refused', fault),
  });

  const rooms = platform.roles.includes('room') ? createRooms(config, log, clock) : undefined;
  const links = createLinks(options, identity, rooms, metrics, fingerprint => mesh.table.trusts(fingerprint));
  closing.add(() => links.close());
  await links.start();
  const mesh: Mesh = new Mesh({
    process,
    version,
    region: REGION,
    fingerprint: identity.fingerprint,
    bus,
    clock,
    log,
    agents: () => desk.adverts(),
    roomNode: () => rooms && { ...links.address, rooms: rooms.names, draining: false },
  });

  const finder = new RoomFinder(process, mesh, bus, rooms, links);
  const ticker = new Ticker(clock, error => log.error({ err: error }, 'bug in a mix'));
  const seats = new Seats({
    clock,
    ticker,
    log,
    count: reason => metrics.count('egress', 'dropped', reason),
    find: (room, address) => finder.find(room, address),
    unreachable: room => finder.unreachable(room),
  });
  const wills = new Wills(bus, clock, log);
  const lobby = new Lobby({ clock, ticker, log, seats, languages: platform.rooms.promptLanguages });
  const desk: AgentDesk = new AgentDesk({
    bus,
    seats: lobby,
    wills,
    clock,
    log,
    changed: () => mesh.announce(),
  });
  const ladders = new Ladders();
  const dials = new DialDesk(bus);
  closing.add(() => wills.close());
  const admission = new Admission(process, access, tickets, mesh, bus);
  const legs = new LegDesk({
    process,
    region: REGION,
    bus,
    mesh,
    clock,
    log,
    ladders,
    metrics,
    authorize: request => admission.authorize(request),
    gone: ({ room, leg }, why) => void finder.ask({ type: 'gone', room, leg, why }).catch(() => {}),
  });
  mesh.onLost(lost => {
    desk.ownerLost(lost);
    links.forget(lost);
  });
  mesh.start();
  closing.add(
    () => mesh.close(),
    () => legs.close(),
    serveProcess(bus, process, {
      desk,
      dials,
      ladders,
      metrics,
      authorizeTicket: request => admission.authorizeTicket(request),
    }),
  );
  if (rooms !== undefined) closing.add(serveRooms(bus, process, rooms));
  const ticket = ticketDesk({ tickets, bus, mesh, legs, httpBase: options.httpBase });
  const parts = {
    process,
    metrics,
    bus,
    access,
    admin,
    mesh,
    finder,
    rooms,
    desk,
    dials,
    wills,
    legs,
    ladders,
    ticket,
  };
  addGauges(parts);
  return parts;
}

async function openBus(
  { platform }: Loaded,
  process: string,
  { clock, log, metrics }: Pick<BusOptions, 'clock'> & { log: RootLog; metrics: Metrics },
): Promise<Bus> {
  const options: BusOptions = {
    clock,
    onBug: (error, subject) => log.error({ err: error, subject }, 'bug in a bus handler'),
    count: reason => metrics.count('bus', 'dropped', reason),
  };
  const { url, credentials } = platform.bus;
  if (url === undefined) return inProcessBus(options);
  return natsBus({ ...options, url, name: `roombridge-${process}`, ...(credentials && { credentials }) });
}

function createRooms({ platform }: Loaded, log: RootLog, clock: Clock): RoomNode {
  const { sessionKeep, banTime, maxRooms, maxParticipants, newRoomsPerMinute } = platform.rooms;
  return new RoomNode({
    clock,
    log,
    times: { sessionKeepMs: sessionKeep, banMs: banTime },
    maxRooms,
    maxParticipants,
    newRoomsPerMinute,
    onEvent: (room, event) => {
      if (event.type === 'created' || event.type === 'ended') log.info({ room }, `room ${event.type}`);
    },
  });
}

function createLinks(
  { config, clock, log }: PartsOptions,
  identity: Identity,
  rooms: RoomNode | undefined,
  metrics: Metrics,
  trusted: (fingerprint: string) => boolean,
): RoomLinks {
  const count = (reason: string): void => metrics.count('link', 'dropped', reason);
  return new RoomLinks({ config: config.platform, identity, rooms, clock, log, trusted, count });
}

function addGauges({ metrics, rooms, desk, legs }: Pick<Parts, 'metrics' | 'rooms' | 'desk' | 'legs'>): void {
  const number = (read: () => number) => () => [{ value: read() }];
  metrics.gauge(
    'rooms',
    'Rooms this process hosts now.',
    number(() => rooms?.size ?? 0),
  );
  metrics.gauge(
    'legs',
    'Legs the agents of this process hold now.',
    number(() => desk.size),
  );
  metrics.gauge(
    'calls',
    'Legs the fronts of this process asked for and that live now.',
    number(() => legs.size),
  );
}
