import { silentLog } from '../../test/harness/fakes.ts';
import { VirtualClock } from '../../test/harness/virtual-net.ts';
import { Manager } from '../agents/manager.ts';
import { BusEnd } from '../bus/bus-end.testing.ts';
import { inProcessBus } from '../bus/in-process.ts';
import type { LegEvent, LegRequest, PlacedLeg, Seat, Termination } from '../contract.ts';
import { Refusal } from '../kit/refusal.ts';
import { Bans } from '../room/bans.ts';
import type { NumberedRequest } from '../room/port.ts';
import { AgentDesk } from './agent-desk.ts';
import { Ladders } from './ladders.ts';
import { LegDesk } from './leg-desk.ts';
import { LocalRoom } from './local-room.ts';
import { choosing, serveManager } from './manager-desk.ts';
import { Mesh } from './mesh.ts';
import { HUNG_UP, PortAgent } from './port-agent.testing.ts';
import { serveProcess } from './process-service.ts';
import { reconcile } from './reconcile.ts';
import { Seats } from './seats.ts';
import type { Ticker } from './ticker.ts';

const never = new AbortController().signal;
/** Nothing is mixed here. */
const still = { add: () => () => {} } as unknown as Ticker;

/** A call as its front holds it. */
export interface Call {
  readonly name: string;
  readonly room: string;
  leg: PlacedLeg | undefined;
  ended: Termination | undefined;
  /** How often it was placed anew. */
  moves: number;
}

interface Doing {
  readonly front?: boolean;
  readonly manager?: boolean;
  /** Legs it can bear. */
  readonly agent?: number;
}

/** One process: what its roles run, and its end of the bus. */
export class LegsNode {
  readonly name: string;
  readonly end: BusEnd;
  readonly mesh: Mesh;
  readonly desk: AgentDesk;
  readonly legs: LegDesk;
  readonly agent: PortAgent | undefined;
  readonly calls: Call[] = [];
  /** Seats its agent sits on, by leg. */
  readonly seats = new Map<string, Seat>();
  /** How long a leg that is asked for takes to get here. */
  lateMs = 0;
  readonly #world: LegsWorld;

  constructor(world: LegsWorld, name: string, { manager, agent }: Doing) {
    this.#world = world;
    this.name = name;
    const { clock } = world;
    const bus = new BusEnd(world.bus, clock, world.delayMs);
    this.end = bus;
    const mesh: Mesh = new Mesh({
      process: name,
      version: '0',
      region: 'r',
      fingerprint: name,
      bus,
      clock,
      log: silentLog,
      agents: () => this.desk.adverts(),
      roomNode: () => undefined,
    });
    this.mesh = mesh;
    const find = async (room: string) => world.room(room, name);
    const seats = new Seats({ clock, ticker: still, log: silentLog, count: () => {}, find });
    const take = async (request: NumberedRequest, on: Parameters<Seats['take']>[1]) => {
      const { lateMs } = this;
      if (lateMs > 0) await new Promise<void>(done => clock.at(clock.now() + lateMs, done));
      const { seat, secret } = await seats.take(request, on);
      this.seats.set(request.leg, seat);
      return { seat: this.#watched(request.leg, seat), secret };
    };
    this.desk = new AgentDesk({
      bus,
      seats: { take },
      wills: { execute: () => {} },
      clock,
      log: silentLog,
      changed: () => mesh.announce(),
    });
    const own = manager ? new Manager(mesh.table) : undefined;
    if (own !== undefined) serveManager(bus, own, clock);
    const ladders = new Ladders(100);
    const metrics = { legOpened: () => {}, legClosed: () => {} };
    this.legs = new LegDesk({
      process: name,
      region: 'r',
      bus,
      mesh,
      choose: choosing(own, mesh.table, bus, clock),
      clock,
      log: silentLog,
      ladders,
      metrics,
      authorize: async request => request.who,
      gone: ({ room, leg }, why) => world.rooms.get(room)?.feed({ type: 'gone', leg, why }),
    });
    if (agent !== undefined) {
      this.agent = new PortAgent(agent);
      this.desk.add(`agent-${name}`, 'test', this.agent);
    }
    mesh.onLost(lost => this.desk.ownerLost(lost));
    mesh.start();
    reconcile({ bus, mesh, desk: this.desk, legs: this.legs, clock });
    serveProcess(bus, name, { desk: this.desk, legs: this.legs, ladders } as Parameters<
      typeof serveProcess
    >[2]);
  }

  /** A call that goes on when its agent dies, as a phone's. Resolves when it is placed or refused. */
  async call(name: string, outlivesAgent = true, room = '1000'): Promise<Call> {
    const call: Call = { name, room, leg: undefined, ended: undefined, moves: 0 };
    this.calls.push(call);
    const request: LegRequest = {
      v: 1,
      leg: `${this.name}-${name}`,
      trace: name,
      gateway: 'test',
      direction: 'in',
      room,
      roles: ['send', 'receive'],
      who: { user: name, proof: 'claimed' },
      ...(outlivesAgent && { outlivesAgent }),
      begin: { type: 'make-offer' },
    };
    await this.#placing(call, on => this.legs.place(request, on, never));
    return call;
  }

  hangUp(call: Call): void {
    call.ended ??= HUNG_UP;
    call.leg?.send({ type: 'close', why: HUNG_UP });
  }

  async #placing(call: Call, place: (on: (e: LegEvent) => void) => Promise<PlacedLeg>): Promise<void> {
    let placed: PlacedLeg | undefined;
    const on = (event: LegEvent): void => {
      if (call.leg !== placed || call.ended !== undefined || placed === undefined) return;
      const lost = event.type === 'closed' && event.why.reason === 'agent-lost';
      if (event.type === 'move' || (lost && placed.again !== undefined)) void this.#again(call, placed);
      else if (event.type === 'closed') call.ended = event.why;
    };
    try {
      placed = await place(on);
      if (call.ended !== undefined) return placed.send({ type: 'close', why: call.ended });
      call.leg = placed;
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      call.ended ??= error.why;
    }
  }

  async #again(call: Call, old: PlacedLeg): Promise<void> {
    call.moves++;
    const leg = `${this.name}-${call.name}-${call.moves}`;
    await this.#placing(call, on => {
      const again = old.again?.({ leg, begin: { type: 'make-offer' } }, on, never);
      return again as Promise<PlacedLeg>;
    });
    old.send({ type: 'close', why: HUNG_UP });
  }

  get dead(): boolean {
    return this.end.mode === 'dead';
  }

  kill(): void {
    this.end.become('dead');
    this.#world.nodes.splice(this.#world.nodes.indexOf(this), 1);
    // What the end of its links does to its legs.
    for (const seat of this.seats.values()) seat.leave({ blame: 'server', reason: 'connection-lost' });
  }

  #watched(leg: string, seat: Seat): Seat {
    return new Proxy(seat, {
      get: (target, key) => {
        if (key === 'leave' && this.seats.get(leg) === seat) this.seats.delete(leg);
        const value = Reflect.get(target, key, target) as unknown;
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
  }
}

/** Fronts, managers and agents of one system under one virtual clock. */
export class LegsWorld {
  readonly clock = new VirtualClock(1000);
  readonly bugs: unknown[] = [];
  readonly nodes: LegsNode[] = [];
  readonly rooms = new Map<string, LocalRoom>();
  readonly delayMs: () => number;
  readonly bus = inProcessBus({
    clock: this.clock,
    onBug: error => void this.bugs.push(error),
    count: () => {},
  });

  constructor(delayMs: () => number = () => 1) {
    this.delayMs = delayMs;
  }

  add(name: string, doing: Doing): LegsNode {
    const node = new LegsNode(this, name, doing);
    this.nodes.push(node);
    return node;
  }

  /** The one room of that name; of a lobby every process has its own. */
  room(room: string, process: string): LocalRoom {
    const id = room.startsWith('lobby') ? `${room} of ${process}` : room;
    const there = this.rooms.get(id);
    if (there !== undefined) return there;
    let secrets = 0;
    const made = new LocalRoom({
      id,
      settings: { maxParticipants: 1000, locked: false, layout: 'speaker' },
      times: { sessionKeepMs: 20_000, banMs: 0 },
      bans: new Bans(),
      clock: this.clock,
      secret: () => `${id} ${++secrets}`,
      onEnded: () => void this.rooms.delete(id),
      onEvent: () => {},
    });
    this.rooms.set(id, made);
    return made;
  }

  async run(ms: number, stepMs = 10): Promise<void> {
    for (let left = ms; left > 0; left -= stepMs) {
      this.clock.run(Math.min(stepMs, left));
      await this.settle();
    }
  }

  /** Everything that needs no time happens. */
  async settle(): Promise<void> {
    for (let i = 0; i < 3; i++) await new Promise(resolve => setImmediate(resolve));
  }

  /** Legs by agent. */
  spread(): number[] {
    return this.nodes.flatMap(n => (n.agent === undefined ? [] : [n.agent.ports.size]));
  }

  /** What does not add up: a leg that is nobody's or two agents', a port or seat that is kept, a call that hangs. */
  faults(): string[] {
    const faults: string[] = [];
    const held = new Map<string, string[]>();
    for (const { name, agent, desk, seats } of this.nodes) {
      for (const leg of agent?.ports.keys() ?? []) held.set(leg, [...(held.get(leg) ?? []), name]);
      faults.push(...(agent?.faults ?? []));
      const [advert] = desk.adverts();
      if (advert !== undefined && advert.legs !== agent?.ports.size)
        faults.push(`${name} says ${advert.legs} legs and has ${agent?.ports.size}`);
      if (desk.size !== (agent?.ports.size ?? 0)) faults.push(`${name} holds ${desk.size} legs`);
      const ports = agent?.ports ?? new Map();
      for (const leg of seats.keys())
        if (!ports.has(leg)) faults.push(`the seat of ${leg} at ${name} is kept`);
      for (const leg of ports.keys())
        if (!seats.has(leg)) faults.push(`the seat of ${leg} at ${name} is gone`);
    }
    const alive = new Set<string>();
    const here = new Map<string, number>();
    for (const { name, legs, calls } of this.nodes) {
      for (const call of calls) {
        const leg = call.leg?.id;
        if (call.ended === undefined && leg === undefined) faults.push(`${name}'s ${call.name} hangs`);
        if (call.ended !== undefined || leg === undefined) continue;
        alive.add(leg);
        here.set(call.room, (here.get(call.room) ?? 0) + 1);
        const by = held.get(leg) ?? [];
        if (by.length !== 1) faults.push(`${name}'s ${leg} is carried by ${by.length} agents`);
      }
      const known = [...legs.placed().values()].flat();
      for (const leg of known) if (!alive.has(leg)) faults.push(`${name} still signals for ${leg}`);
    }
    // In the rooms are those who have a call, each once, and whoever is waited for.
    const seen = new Map<string, number>();
    for (const [id, room] of this.rooms) {
      const name = id.split(' ')[0] ?? '';
      const roster = room.roster();
      const present = roster.type === 'roster' ? roster.members.filter(m => m.state === 'here') : [];
      seen.set(name, (seen.get(name) ?? 0) + present.length);
    }
    for (const room of new Set([...seen.keys(), ...here.keys()]))
      if ((seen.get(room) ?? 0) !== (here.get(room) ?? 0))
        faults.push(
          `${seen.get(room) ?? 0} members are in room ${room}, and it has ${here.get(room) ?? 0} calls`,
        );
    for (const [leg, by] of held) if (!alive.has(leg)) faults.push(`${by} keeps ${leg}`);
    return [...faults, ...this.bugs.map(b => `bug: ${b}`)];
  }
}
