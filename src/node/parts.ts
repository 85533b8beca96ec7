import { randomBytes } from 'node:crypto';
import { Manager } from '../agents/manager.ts';
import type { Bus } from '../bus/port.ts';
import { runsPart } from '../config/roles.ts';
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
import { downId } from './desk-agents.ts';
import { DialDesk } from './dial-desk.ts';
import { DrillDesk } from './drill-desk.ts';
import { addGauges } from './gauges.ts';
import { createIdentity } from './identity.ts';
import { keepRooms } from './keep-rooms.ts';
import { Ladders } from './ladders.ts';
import { LegDesk } from './leg-desk.ts';
import { Lobby } from './lobby.ts';
import { createLinks, createRooms } from './make-rooms.ts';
import { choosing, serveManager } from './manager-desk.ts';
import { Mesh } from './mesh.ts';
import { openBus } from './open-bus.ts';
import { allDrills, allLegs, serveProcess } from './process-service.ts';
import { reconcile } from './reconcile.ts';
import { Relays } from './relays.ts';
import { RoomFinder } from './room-finder.ts';
import type { RoomNode } from './room-node.ts';
import { serveRooms } from './room-service.ts';
import { RoomStore } from './room-store.ts';
import { Seats } from './seats.ts';
import { sharedSecrets } from './secrets.ts';
import { standingLinks } from './standing-links.ts';
import { Ticker } from './ticker.ts';
import { servesWhip, ticketDesk } from './tickets.ts';
import { tellWebhooks } from './webhooks.ts';
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
  readonly drills: DrillDesk;
  readonly wills: Wills;
  readonly legs: LegDesk;
  readonly ladders: Ladders;
  readonly ticket: (ask: TicketRequest) => Promise<Ticket>;
  readonly secret: (name: string) => Promise<Buffer>;
  readonly relays: Relays;
}

/** Builds and joins them in order of dependency; each step that opens something adds its undoing to `closing`. */
export async function createParts(options: PartsOptions, closing: Closing): Promise<Parts> {
  const { config, log, clock, version } = options;
  const { platform } = config;
  const identity = createIdentity();
  const { process } = identity;
  const metrics = new Metrics();
  const bus = await openBus(platform.bus, `roombridge-${process}`, {
    clock,
    onBug: (error, subject) => log.error({ err: error, subject }, 'bug in a bus handler'),
    count: reason => metrics.count('bus', 'dropped', reason),
  });
  closing.add(() => bus.close());

  await openDataDir(platform.dataDir);
  const admin = await adminKey(platform.dataDir, platform.auth.adminKey);
  const secret = sharedSecrets(bus);
  const tickets = new Tickets({ random: randomBytes, key: () => secret('ticket') });
  await tickets.ready();
  const access = new Access({
    apps: platform.auth.apps,
    adminKey: admin.key,
    tickets,
    onFault: (where, fault) => metrics.count(where, 'access_refused', fault),
  });

  const store = new RoomStore(bus.kv, Date.now);
  const rooms = runsPart(platform.roles, 'room') ? createRooms(options, process, bus, store) : undefined;
  const relays = new Relays({
    config: platform,
    process,
    secret,
    processes: () => mesh.table.processes(),
    clock,
    log,
    count: reason => metrics.count('router', 'dropped', reason),
    changed: () => mesh.announce(),
  });
  const links = createLinks(options, identity, rooms, metrics, relays, fingerprint =>
    mesh.table.trusts(fingerprint),
  );
  closing.add(() => links.close());
  await links.start();
  const mesh: Mesh = new Mesh({
    process,
    version,
    region: platform.region,
    fingerprint: identity.fingerprint,
    bus,
    clock,
    unixNow: Date.now,
    log,
    agents: () => desk.adverts(),
    roomNode: () => rooms && { ...links.address, rooms: rooms.size, draining: rooms.draining },
    web: () => (servesWhip(platform.roles) && options.httpBase()) || undefined,
    relay: () => relays.advert(),
    linked: () => links.linked,
  });

  const finder = new RoomFinder({
    process,
    region: platform.region,
    mesh,
    bus,
    store,
    own: rooms,
    remote: links,
  });
  const ticker = new Ticker(clock, error => log.error({ err: error }, 'bug in a mix'));
  const seats = new Seats({
    clock,
    ticker,
    log,
    count: reason => metrics.count('egress', 'dropped', reason),
    find: (room, address, suspect) => finder.find(room, address, suspect),
    abandon: room => void finder.abandon(room).catch(() => {}), // the store is away, too: whoever adopts rooms sees to it
  });
  closing.add(store.watchHosts((_, claim) => claim && seats.hosted(claim.room)));
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
  const ladders = new Ladders(platform.log.ladders);
  const dials = new DialDesk(bus);
  const drills = new DrillDesk({
    bus,
    clock,
    log,
    legs: () => allLegs(mesh, bus),
    drills: () => allDrills(mesh, bus),
  });
  closing.add(() => wills.close());
  const admission = new Admission(access, tickets, bus);
  const manager = runsPart(platform.roles, 'manager') ? new Manager(mesh.table) : undefined;
  const legs = new LegDesk({
    process,
    region: platform.region,
    bus,
    mesh,
    choose: choosing(manager, mesh.table, bus, clock),
    clock,
    log,
    ladders,
    metrics,
    authorize: request => admission.authorize(request),
    gone: ({ room, leg }, why) => void finder.ask({ type: 'gone', room, leg, why }).catch(() => {}),
  });
  mesh.onLost((lost, { agents }) => {
    desk.ownerLost(lost);
    links.forget(lost);
    // An agent that died cannot say so: every manager does, and it counts once.
    if (manager === undefined) return;
    for (const { agent, gateway } of agents)
      bus.events.publish({ type: 'agent.down', id: downId(agent), agent, gateway });
  });
  mesh.start();
  closing.add(() => relays.close());
  await relays.start();
  closing.add(
    () => mesh.close(),
    () => legs.close(),
    () => admission.close(),
    () => drills.close(),
    reconcile({ bus, mesh, desk, legs, clock }),
    standingLinks({ process, legs, mesh, links, clock }),
    serveProcess(bus, process, {
      desk,
      legs,
      dials,
      drills,
      ladders,
      metrics,
      relays,
    }),
  );
  if (rooms !== undefined)
    closing.add(
      serveRooms(bus, process, rooms),
      keepRooms({ process, store, rooms, finder, mesh, bus, clock, log }),
    );
  if (manager !== undefined) closing.add(serveManager(bus, manager, clock));
  if (runsPart(platform.roles, 'api'))
    closing.add(
      tellWebhooks(bus, platform.webhooks, {
        log,
        now: Date.now,
        count: reason => metrics.count('webhooks', 'posts', reason),
        fetch,
      }),
    );
  const ticket = ticketDesk({ process, tickets, bus, mesh, legs, region: platform.region });
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
    drills,
    wills,
    legs,
    ladders,
    ticket,
    secret,
    relays,
  };
  addGauges({ ...parts, links });
  return parts;
}
