import { randomBytes } from 'node:crypto';
import { Manager } from '../../../src/agents/manager.ts';
import { takesElsewhere } from '../../../src/agents/siblings.ts';
import type { Clock, Log, Seat, Termination, Ticket, TicketRequest } from '../../../src/contract.ts';
import type { Random } from '../../../src/kit/random.ts';
import { Admission } from '../../../src/node/admission.ts';
import { AgentDesk } from '../../../src/node/agent-desk.ts';
import { keepRooms } from '../../../src/node/keep-rooms.ts';
import { Ladders } from '../../../src/node/ladders.ts';
import { LegDesk } from '../../../src/node/leg-desk.ts';
import { choosing, serveManager } from '../../../src/node/manager-desk.ts';
import { Mesh } from '../../../src/node/mesh.ts';
import { serveProcess } from '../../../src/node/process-service.ts';
import { reconcile } from '../../../src/node/reconcile.ts';
import { RoomFinder } from '../../../src/node/room-finder.ts';
import { type RoomNews, RoomNode } from '../../../src/node/room-node.ts';
import { serveRooms } from '../../../src/node/room-service.ts';
import { RoomStore } from '../../../src/node/room-store.ts';
import { Seats } from '../../../src/node/seats.ts';
import { sharedSecrets } from '../../../src/node/secrets.ts';
import { standingLinks } from '../../../src/node/standing-links.ts';
import type { Ticker } from '../../../src/node/ticker.ts';
import { ticketDesk } from '../../../src/node/tickets.ts';
import { Access } from '../../../src/ops/access.ts';
import { Tickets } from '../../../src/ops/tickets.ts';
import { PortAgent } from './agent.ts';
import type { SimBroker } from './broker.ts';
import { SimBus } from './bus.ts';
import { ProcessClock } from './clock.ts';
import { SimLinks, type SimNet } from './links.ts';

/** What a process runs. */
export interface Roles {
  readonly front?: boolean;
  readonly manager?: boolean;
  readonly agent?: boolean;
  readonly room?: boolean;
}

/** Gateways whose legs an agent process takes: phones move with their front, pages come back by themselves, pushes by ticket. */
export const GATEWAYS = ['phone', 'page', 'rtmp'] as const;
export const SESSION_KEEP_MS = 20_000;
export const TICKET_LIFE_MS = 60_000;
const CAPACITY = 40;

/** What a process needs of the world it is in. */
export interface NodeWorld {
  readonly clock: Clock;
  readonly random: Random;
  readonly broker: SimBroker;
  readonly net: SimNet;
  readonly bugs: unknown[];
  unixNow(): number;
  note(text: string, fields?: object): void;
  roomNews(node: string, room: string, e: RoomNews): void;
  /** The calls this front signals for. */
  hangUp(front: SimNode, why: Termination): void;
  gone(node: SimNode): void;
}

/** Nothing is mixed here: who wants to be ticked is counted. */
class StillTicker {
  size = 0;
  add(): () => void {
    this.size++;
    return () => void this.size--;
  }
}

/** One process of the system, put together as `node/parts.ts` does it, of the parts that hold something. */
export class SimNode {
  readonly name: string;
  readonly roles: Roles;
  readonly clock: ProcessClock;
  readonly bus: SimBus;
  readonly mesh: Mesh;
  readonly rooms: RoomNode | undefined;
  readonly finder: RoomFinder;
  readonly store: RoomStore;
  readonly ticker = new StillTicker();
  readonly links: SimLinks;
  readonly desk: AgentDesk;
  readonly legs: LegDesk;
  readonly agents: readonly PortAgent[];
  /** Seats its agents sit on, by leg. */
  readonly seats = new Map<string, Seat>();
  readonly ticket: (ask: TicketRequest) => Promise<Ticket>;
  readonly onBug: (error: unknown) => void;
  readonly #world: NodeWorld;
  readonly #undo: (() => void)[] = [];
  dead = false;
  isClosing = false;

  constructor(world: NodeWorld, name: string, roles: Roles) {
    this.#world = world;
    this.name = name;
    this.roles = roles;
    const clock = new ProcessClock(world.clock);
    this.clock = clock;
    this.onBug = error => {
      if (!this.dead) world.bugs.push(`${name}: ${error instanceof Error ? error.stack : error}`);
    };
    const log = this.#log();
    const bus = new SimBus(name, world.broker, clock, this.onBug);
    this.bus = bus;
    const secret = sharedSecrets(bus);
    const tickets = new Tickets({
      random: randomBytes,
      key: () => secret('ticket'),
      lifeMs: TICKET_LIFE_MS,
    });
    const access = new Access({ apps: [], adminKey: 'a', tickets });
    this.store = new RoomStore(bus.kv, () => world.unixNow());
    const rooms = roles.room
      ? new RoomNode({
          process: name,
          store: this.store,
          clock,
          log,
          times: { sessionKeepMs: SESSION_KEEP_MS, banMs: 1000 },
          maxRooms: 100,
          maxParticipants: 1000,
          newRoomsPerMinute: 1_000_000,
          onEvent: (room, e) => this.dead || world.roomNews(name, room, e),
        })
      : undefined;
    this.rooms = rooms;
    const links = new SimLinks(world.net, this);
    this.links = links;
    const mesh: Mesh = new Mesh({
      process: name,
      version: '0',
      region: 'r',
      fingerprint: name,
      bus,
      clock,
      log,
      agents: () => this.desk.adverts(),
      roomNode: () =>
        rooms && { host: name, tlsPort: 1, udpPort: 1, rooms: rooms.size, draining: rooms.draining },
      linked: () => links.linked,
    });
    this.mesh = mesh;
    const { store } = this;
    const finder = new RoomFinder({
      process: name,
      region: 'r',
      mesh,
      bus,
      store,
      own: rooms,
      remote: links,
    });
    this.finder = finder;
    const seats = new Seats({
      clock,
      ticker: this.ticker as unknown as Ticker,
      log,
      count: () => {},
      find: (room, address, suspect) => finder.find(room, address, suspect),
      abandon: room => void finder.abandon(room).catch(() => {}),
    });
    this.desk = new AgentDesk({
      bus,
      seats: {
        take: async (request, on) => {
          const seated = await seats.take(request, on);
          return { ...seated, seat: this.#watched(request.leg, seated.seat) };
        },
      },
      wills: { execute: () => {} },
      clock,
      log,
      changed: () => mesh.announce(),
    });
    const ladders = new Ladders(100);
    this.#undo.push(store.watchHosts((_, claim) => claim && seats.hosted(claim.room)));
    const admission = new Admission(access, tickets, bus);
    const manager = roles.manager ? new Manager(mesh.table) : undefined;
    const legs: LegDesk = new LegDesk({
      process: name,
      region: 'r',
      bus,
      mesh,
      choose: choosing(manager, mesh.table, bus, clock),
      clock,
      log,
      ladders,
      metrics: { legOpened() {}, legClosed() {} },
      authorize: request => admission.authorize(request),
      gone: ({ room, leg }, why) => void finder.ask({ type: 'gone', room, leg, why }).catch(() => {}),
    });
    this.legs = legs;
    mesh.onLost(lost => {
      this.desk.ownerLost(lost);
      links.forget(lost);
    });
    mesh.start();
    const { desk } = this;
    const answers = {
      desk,
      legs,
      ladders,
    };
    this.#undo.push(
      () => admission.close(),
      standingLinks({ process: name, legs, mesh, links, clock }),
      reconcile({ bus, mesh, desk, legs, clock }),
      serveProcess(bus, name, answers as unknown as Parameters<typeof serveProcess>[2]),
    );
    if (rooms !== undefined)
      this.#undo.push(
        serveRooms(bus, name, rooms),
        keepRooms({ process: name, store, rooms, finder, mesh, bus, clock, log }),
      );
    if (manager !== undefined) this.#undo.push(serveManager(bus, manager, clock));
    this.ticket = ticketDesk({ process: name, tickets, bus, mesh, legs, region: 'r' });
    this.agents = roles.agent
      ? GATEWAYS.map(gateway => {
          const agent = new PortAgent(`${gateway}-${name}`, CAPACITY, clock, world.random);
          desk.add(agent.id, gateway, agent);
          return agent;
        })
      : [];
    mesh.announce();
  }

  agentOf(leg: string): PortAgent | undefined {
    return this.agents.find(a => a.legs.has(leg));
  }

  /** As `node/start.ts` closes a process. */
  async close(why: Termination): Promise<void> {
    this.isClosing = true;
    const { desk, rooms, finder, mesh } = this;
    const left = desk.leave({
      process: this.name,
      takes: gateway => takesElsewhere(mesh.table.processes(), gateway, this.name),
      forMs: 2000,
    });
    this.#world.hangUp(this, why);
    await left;
    const handedOver = rooms?.close(why, room => finder.successor(room));
    mesh.announce();
    await handedOver;
    await desk.close(why);
    for (const undo of this.#undo.splice(0)) undo();
    this.legs.close();
    mesh.close();
    this.links.close();
    // What was said last is still on its way.
    await new Promise<void>(done => this.clock.at(this.clock.now() + 1000, done));
    await this.bus.close();
    this.kill();
  }

  /** kill -9; `silent`: its whole host is gone. */
  kill(silent = false): void {
    if (this.dead) return;
    this.dead = true;
    this.clock.end();
    this.#world.broker.kill(this.name, silent);
    this.#world.net.break(this.name, undefined, silent);
    this.#world.gone(this);
  }

  #watched(leg: string, seat: Seat): Seat {
    this.seats.set(leg, seat);
    const { seats } = this;
    return new Proxy(seat, {
      get(target, key) {
        if (key === 'leave')
          return (why: Termination): void => {
            seats.delete(leg);
            target.leave(why);
          };
        const value = Reflect.get(target, key, target) as unknown;
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
  }

  /** What is logged as a bug is one. */
  #log(): Log {
    const world = this.#world;
    const say = (level: string) => (fields: object, text: string) => {
      if (!this.dead) world.note(`${this.name} ${level}: ${text}`, fields);
    };
    return {
      debug() {},
      info: say('info'),
      warn: say('warn'),
      error: (fields, text) => {
        const { err } = fields as { err?: unknown };
        this.onBug(err instanceof Error ? err : `${text} ${JSON.stringify(fields)}`);
      },
    };
  }
}
