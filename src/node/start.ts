import { randomBytes } from 'node:crypto';
import { loadCodecs } from '../../codecs/audio.ts';
import { inProcessBus } from '../bus/in-process.ts';
import { natsBus } from '../bus/nats.ts';
import type { Bus, BusOptions } from '../bus/port.ts';
import type { Loaded } from '../config.ts';
import type { Address, Agent, Front, Gateway, Host, Termination } from '../contract.ts';
import { systemClock } from '../io/clock.ts';
import { Access } from '../ops/access.ts';
import { mountApi } from '../ops/api/api.ts';
import { adminKey, openDataDir } from '../ops/data-dir.ts';
import { keptCertificate, readCertificate } from '../ops/http/certificate.ts';
import { ownNames } from '../ops/http/names.ts';
import { HttpServer } from '../ops/http/server.ts';
import type { RootLog } from '../ops/log.ts';
import { Metrics } from '../ops/metrics.ts';
import { Tickets } from '../ops/tickets.ts';
import { Admission } from './admission.ts';
import { AgentDesk } from './agent-desk.ts';
import { createBackend } from './backend.ts';
import { createHost } from './host.ts';
import { createIdentity } from './identity.ts';
import { Ladders } from './ladders.ts';
import { LegDesk } from './leg-desk.ts';
import { Mesh } from './mesh.ts';
import { roomPage } from './page.ts';
import { serveProcess } from './process-service.ts';
import { RoomFinder } from './room-finder.ts';
import { RoomLinks } from './room-links.ts';
import { RoomNode } from './room-node.ts';
import { serveRooms } from './room-service.ts';
import { Seats } from './seats.ts';
import { Ticker } from './ticker.ts';
import { ticketDesk } from './tickets.ts';

export interface NodeOptions {
  readonly config: Loaded;
  readonly gateways: readonly Gateway[];
  readonly log: RootLog;
  readonly version: string;
}

export interface RunningNode {
  readonly addresses: readonly Address[];
  /** Present where this process serves the API. */
  readonly admin?: { readonly key: string; readonly file?: string };
  readonly selfSigned: boolean;
  readonly roomsOpen: boolean;
  /** Ends every leg politely, then everything else. Idempotent. */
  close(why: Termination): Promise<void>;
}

const REGION = 'default';

/** Starts what `config.platform.roles` says, in dependency order; what began is undone when a later step fails. */
export async function startNode({ config, gateways, log, version }: NodeOptions): Promise<RunningNode> {
  const { platform } = config;
  const is = (role: (typeof platform.roles)[number]): boolean => platform.roles.includes(role);
  const clock = systemClock;
  const undo: (() => void | Promise<void>)[] = [];
  let closing: Promise<void> | undefined;
  const close = (): Promise<void> =>
    (closing ??= (async () => {
      for (const step of undo.reverse()) await step();
    })());

  try {
    await loadCodecs();
    const identity = createIdentity();
    const { process } = identity;
    const metrics = new Metrics();
    const bus = await openBus(config, process, { clock, log, metrics });
    undo.push(() => bus.close());

    await openDataDir(platform.dataDir);
    const admin = await adminKey(platform.dataDir, platform.auth.adminKey);
    const tickets = new Tickets({ random: randomBytes });
    const access = new Access({
      apps: platform.auth.apps,
      adminKey: admin.key,
      tickets,
      onFault: (where, fault) => metrics.count(where, 'access_refused', fault),
    });

    const rooms = is('room')
      ? new RoomNode({
          clock,
          log,
          times: { sessionKeepMs: platform.rooms.sessionKeep, banMs: platform.rooms.banTime },
          maxRooms: platform.rooms.maxRooms,
          maxParticipants: platform.rooms.maxParticipants,
          newRoomsPerMinute: platform.rooms.newRoomsPerMinute,
          onEvent: (room, event) => {
            if (event.type === 'created' || event.type === 'ended') log.info({ room }, `room ${event.type}`);
          },
        })
      : undefined;
    const links = new RoomLinks({
      config: platform,
      identity,
      rooms,
      clock,
      log,
      trusted: fingerprint => mesh.table.trusts(fingerprint),
      count: reason => metrics.count('link', 'dropped', reason),
    });
    undo.push(() => links.close());
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
    const seats = new Seats({
      clock,
      ticker: new Ticker(clock, error => log.error({ err: error }, 'bug in a mix')),
      log,
      count: reason => metrics.count('egress', 'dropped', reason),
      find: (room, address) => finder.find(room, address),
    });
    const desk: AgentDesk = new AgentDesk(bus, seats, clock, log, () => mesh.announce());
    const ladders = new Ladders();
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
      gone: (request, why) =>
        void finder.ask({ type: 'gone', room: request.room, leg: request.leg, why }).catch(() => {}),
    });
    mesh.onLost(lost => {
      desk.ownerLost(lost);
      links.forget(lost);
    });
    mesh.start();
    undo.push(
      () => mesh.close(),
      () => legs.close(),
    );
    if (rooms !== undefined) undo.push(serveRooms(bus, process, rooms));
    undo.push(
      serveProcess(bus, process, { desk, ladders, authorizeTicket: r => admission.authorizeTicket(r) }),
    );

    let draining = false;
    const ticket = ticketDesk({ tickets, bus, mesh, legs, httpBase: () => http?.bases[0] ?? '' });
    const backend = createBackend({
      mesh,
      bus,
      finder,
      ticket,
      notReady: () => (draining ? 'Roombridge is shutting down.' : undefined),
    });
    const certificate = is('front') ? await serverCertificate(config) : undefined;
    const http =
      certificate &&
      new HttpServer({
        ...platform.http,
        externalAddress: platform.externalAddress,
        certificate,
        pages: await roomPage(),
        log,
        metrics,
        clock,
        api: app => mountApi(app, { backend, access, metrics, version, now: () => Date.now() }),
      });
    if (http !== undefined) {
      await http.listen();
      undo.push(() => http.close());
    }
    gauges(metrics, { rooms, desk, legs });

    const host = (gateway: Gateway): Host =>
      createHost(gateway, {
        process,
        log,
        clock,
        http,
        externalAddress: platform.externalAddress,
        legs,
        finder,
        access,
        ticket,
        ladder: (leg, step) => ladders.add(leg, step),
        count: (name, what, reason) => metrics.count(name, what, reason),
      });
    const addresses: Address[] =
      http?.bases.map(base => ({ url: `${base}/r/1000`, what: 'room page' })) ?? [];
    const started = { fronts: [] as Front[], addresses };
    let why: Termination = { blame: 'server', reason: 'shutting-down', text: 'The server is shutting down.' };
    undo.push(async () => {
      draining = true;
      desk.drainAll();
      await Promise.all(started.fronts.map(front => front.close(why)));
      rooms?.close(why);
      await desk.close(why);
    });
    for (const gateway of gateways) {
      const slice = config.gateways[gateway.name];
      if (gateway.agent !== undefined && is(gateway.home)) {
        const id = `${gateway.name}-${process}`;
        const agent: Agent = gateway.agent(host(gateway), slice, id);
        desk.add(id, gateway.name, agent);
        addresses.push(...(await agent.start()));
      }
      if (gateway.front !== undefined && is('front')) {
        const front = gateway.front(host(gateway), slice);
        started.fronts.push(front);
        addresses.push(...(await front.start()));
      }
    }
    mesh.announce();
    return {
      addresses,
      ...(http && { admin }),
      selfSigned: certificate?.selfSigned ?? false,
      roomsOpen: !access.required,
      close: reason => {
        why = reason;
        return close();
      },
    };
  } catch (error) {
    await close();
    throw error;
  }
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

async function serverCertificate({ platform }: Loaded) {
  const { certFile, keyFile } = platform.http;
  if (certFile !== undefined && keyFile !== undefined) return readCertificate(certFile, keyFile, new Date());
  return keptCertificate(platform.dataDir, ownNames(platform.externalAddress), new Date());
}

function gauges(metrics: Metrics, of: { rooms: RoomNode | undefined; desk: AgentDesk; legs: LegDesk }): void {
  const number = (read: () => number) => () => [{ value: read() }];
  metrics.gauge(
    'rooms',
    'Rooms this process hosts now.',
    number(() => of.rooms?.size ?? 0),
  );
  metrics.gauge(
    'legs',
    'Legs the agents of this process hold now.',
    number(() => of.desk.size),
  );
  metrics.gauge(
    'calls',
    'Legs the fronts of this process asked for and that live now.',
    number(() => of.legs.size),
  );
}
