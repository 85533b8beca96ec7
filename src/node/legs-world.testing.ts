import { FakeSeat, silentLog } from '../../test/harness/fakes.ts';
import { VirtualClock } from '../../test/harness/virtual-net.ts';
import { Manager } from '../agents/manager.ts';
import { BusEnd } from '../bus/bus-end.testing.ts';
import { inProcessBus } from '../bus/in-process.ts';
import type { Agent, LegEvent, LegRequest, PlacedLeg, Seat, Termination } from '../contract.ts';
import { Refusal } from '../kit/refusal.ts';
import { AgentDesk } from './agent-desk.ts';
import { Ladders } from './ladders.ts';
import { LegDesk } from './leg-desk.ts';
import { choosing, serveManager } from './manager-desk.ts';
import { Mesh } from './mesh.ts';
import { serveProcess } from './process-service.ts';
import { reconcile } from './reconcile.ts';

const HUNG_UP: Termination = { blame: 'none', reason: 'hung-up' };
const never = new AbortController().signal;

/** An agent that holds ports: one a leg, from `take` to `closed`. */
class PortAgent implements Agent {
  readonly formats = ['PCMU'];
  readonly capacity: number;
  /** Ports in use, by leg. */
  readonly ports = new Map<string, (e: LegEvent) => void>();
  /** Legs that were taken twice, or gave a port back twice. */
  readonly faults: string[] = [];
  start = async () => [];
  constructor(capacity: number) {
    this.capacity = capacity;
  }
  close = async () => {};
  take: Agent['take'] = async (request: LegRequest, seat: Seat, emit) => {
    const { leg } = request;
    if (this.ports.has(leg)) this.faults.push(`${leg} taken twice`);
    this.ports.set(leg, emit);
    seat.confirmed();
    return {
      handle: command => {
        if (command.type !== 'close') return;
        if (!this.ports.delete(leg)) this.faults.push(`${leg} closed twice`);
        else emit({ type: 'closed', why: command.why });
      },
      stats: () => [],
    };
  };
  /** The phone is gone: the leg ends by itself. */
  drop(leg: string): void {
    const emit = this.ports.get(leg);
    this.ports.delete(leg);
    emit?.({ type: 'closed', why: HUNG_UP });
  }
}

/** A call as its front holds it. */
export interface Call {
  readonly name: string;
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
  readonly seats = new Map<string, FakeSeat>();
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
    const seat = async (request: LegRequest) => {
      const seat = new FakeSeat(request.room, request.leg);
      this.seats.set(request.leg, seat);
      return { seat, secret: 's' };
    };
    this.desk = new AgentDesk({
      bus,
      seats: { take: seat },
      wills: { execute: () => {} },
      clock,
      log: silentLog,
      changed: () => mesh.announce(),
    });
    const own = manager ? new Manager(mesh.table) : undefined;
    if (own !== undefined) serveManager(bus, own, clock);
    const ladders = new Ladders();
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
      gone: () => {},
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
  async call(name: string, outlivesAgent = true): Promise<Call> {
    const call: Call = { name, leg: undefined, ended: undefined, moves: 0 };
    this.calls.push(call);
    const request: LegRequest = {
      v: 1,
      leg: `${this.name}-${name}`,
      trace: name,
      gateway: 'test',
      direction: 'in',
      room: '1000',
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
  }
}

/** Fronts, managers and agents of one system under one virtual clock. */
export class LegsWorld {
  readonly clock = new VirtualClock(1000);
  readonly bugs: unknown[] = [];
  readonly nodes: LegsNode[] = [];
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
      for (const [leg, seat] of seats)
        if ((seat.left === undefined) !== (agent?.ports.has(leg) ?? false))
          faults.push(`the seat of ${leg} at ${name} is ${seat.left === undefined ? 'kept' : 'gone'}`);
    }
    const alive = new Set<string>();
    for (const { name, legs, calls } of this.nodes) {
      for (const call of calls) {
        const leg = call.leg?.id;
        if (call.ended === undefined && leg === undefined) faults.push(`${name}'s ${call.name} hangs`);
        if (call.ended !== undefined || leg === undefined) continue;
        alive.add(leg);
        const by = held.get(leg) ?? [];
        if (by.length !== 1) faults.push(`${name}'s ${leg} is carried by ${by.length} agents`);
      }
      const known = [...legs.placed().values()].flat();
      for (const leg of known) if (!alive.has(leg)) faults.push(`${name} still signals for ${leg}`);
    }
    for (const [leg, by] of held) if (!alive.has(leg)) faults.push(`${by} keeps ${leg}`);
    return [...faults, ...this.bugs.map(b => `bug: ${b}`)];
  }
}
