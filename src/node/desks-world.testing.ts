import { silentLog } from '../../test/harness/fakes.ts';
import { ManualClock } from '../../test/harness/link.ts';
import { Manager } from '../agents/manager.ts';
import { inProcessBus } from '../bus/in-process.ts';
import type { Bus } from '../bus/port.ts';
import type { Agent, LegCommand, LegEvent, LegRequest, Seat, Termination } from '../contract.ts';
import { refuse } from '../kit/refusal.ts';
import { AgentDesk } from './agent-desk.ts';
import { Ladders } from './ladders.ts';
import { LegDesk } from './leg-desk.ts';
import { choosing } from './manager-desk.ts';
import { Mesh } from './mesh.ts';
import { RoomFinder } from './room-finder.ts';
import { RoomNode } from './room-node.ts';
import { serveRooms } from './room-service.ts';
import { RoomStore } from './room-store.ts';
import { Seats } from './seats.ts';
import { subjects } from './subjects.ts';
import { Ticker } from './ticker.ts';

export const SHUTDOWN: Termination = {
  blame: 'server',
  reason: 'shutting-down',
  text: 'The server is shutting down.',
};
export const HUNG_UP: Termination = { blame: 'none', reason: 'hung-up' };
export const request = (leg: string, more: Partial<LegRequest> = {}): LegRequest => ({
  v: 1,
  leg,
  trace: leg,
  gateway: 'test',
  direction: 'in',
  room: '1000',
  roles: ['send', 'receive'],
  who: { user: leg, proof: 'claimed' },
  begin: { type: 'offer', native: {} },
  ...more,
}); // prettier-ignore

/** An agent whose next `take` the test decides; its legs remember what they were told. */
export class ScriptedAgent implements Agent {
  readonly formats = [];
  capacity = 10;
  readonly told = new Map<string, LegCommand[]>();
  readonly seats = new Map<string, Seat>();
  readonly emits = new Map<string, (e: LegEvent) => void>();
  taking: () => Promise<void> = async () => {};
  deaf = false;
  start = async () => [];
  close = async () => {};
  take: Agent['take'] = async (req, seat, emit) => {
    await this.taking();
    this.seats.set(req.leg, seat);
    this.emits.set(req.leg, emit);
    const told: LegCommand[] = [];
    this.told.set(req.leg, told);
    seat.confirmed();
    emit({ type: 'description', id: 0, native: 'answer' });
    return {
      handle: c => {
        told.push(c);
        if (c.type === 'close' && !this.deaf) emit({ type: 'closed', why: c.why });
      },
      stats: () => [],
    };
  };
}

/** One process: bus, rooms, both desks, under a clock the test moves. */
export class DesksWorld {
  readonly clock = new ManualClock();
  readonly agent = new ScriptedAgent();
  readonly bus: Bus = inProcessBus({
    clock: this.clock,
    onBug: e => void this.bugs.push(e),
    count: () => {},
  });
  readonly bugs: unknown[] = [];
  readonly closedMetrics: string[] = [];
  readonly gone: string[] = [];
  readonly executed: string[] = [];
  authorizing: (r: LegRequest) => void = () => {};
  readonly store = new RoomStore(this.bus.kv, () => this.clock.now());
  readonly rooms = new RoomNode({
    process: 'p',
    store: this.store,
    clock: this.clock,
    log: silentLog,
    times: { sessionKeepMs: 10_000, banMs: 1000 },
    maxRooms: 10,
    maxParticipants: 10,
    newRoomsPerMinute: 100,
    onEvent: () => {},
  }); // prettier-ignore
  readonly mesh = new Mesh({
    process: 'p',
    version: '0',
    region: 'r',
    fingerprint: 'F',
    bus: this.bus,
    clock: this.clock,
    log: silentLog,
    agents: () => this.desk.adverts(),
    roomNode: () => ({ host: '', tlsPort: 0, udpPort: 0, rooms: this.rooms.size, draining: false }),
  }); // prettier-ignore
  readonly finder = new RoomFinder({
    process: 'p',
    region: 'r',
    mesh: this.mesh,
    bus: this.bus,
    store: this.store,
    own: this.rooms,
    remote: {
      port: async () => {
        throw refuse('server', 'no-link', 'There is one process here.');
      },
    },
  });
  readonly seats = new Seats({
    clock: this.clock,
    ticker: new Ticker(this.clock, e => void this.bugs.push(e)),
    log: silentLog,
    count: () => {},
    find: room => this.finder.find(room),
  }); // prettier-ignore
  readonly desk: AgentDesk = new AgentDesk({
    bus: this.bus,
    seats: this.seats,
    wills: { execute: will => void this.executed.push(`${will.leg} ${will.native}`) },
    clock: this.clock,
    log: silentLog,
    changed: () => this.mesh.announce(),
  });
  readonly legs = new LegDesk({
    process: 'p',
    region: 'r',
    bus: this.bus,
    mesh: this.mesh,
    clock: this.clock,
    log: silentLog,
    choose: choosing(new Manager(this.mesh.table), this.mesh.table, this.bus, this.clock),
    ladders: new Ladders(100),
    metrics: { legOpened: () => {}, legClosed: (_g, why) => void this.closedMetrics.push(why.reason) },
    authorize: async r => {
      this.authorizing(r);
      return r.who;
    },
    gone: r => void this.gone.push(r.leg),
  }); // prettier-ignore

  constructor() {
    this.desk.add('a1', 'test', this.agent);
    serveRooms(this.bus, 'p', this.rooms);
    this.mesh.onLost(p => this.desk.ownerLost(p));
    this.mesh.start();
  }
  async place(leg: string, signal = new AbortController().signal) {
    const events: LegEvent[] = [];
    const placed = await this.legs.place(request(leg), e => void events.push(e), signal);
    await settle();
    return { placed, events, closed: () => events.filter(e => e.type === 'closed') };
  }
  members(): string[] {
    return (this.rooms.members('1000') ?? []).map(m => m.participant);
  }
  states(): string[] {
    return (this.rooms.members('1000') ?? []).map(m => `${m.participant}:${m.state}`);
  }
}

/** A world whose calls go to an agent of another process, until that dies and ours takes calls. */
export async function withAnother(w: DesksWorld) {
  const seats: Seat[] = [];
  const other = new AgentDesk({
    bus: w.bus,
    seats: {
      take: async (r, on) => {
        const taken = await w.seats.take(r, on);
        seats.push(taken.seat);
        return taken;
      },
    },
    wills: { execute: () => {} },
    clock: w.clock,
    log: silentLog,
    changed: () => {},
  });
  other.add('a2', 'test', new ScriptedAgent());
  const [process, version, region, fingerprint] = ['q', '0', 'r', 'G'];
  const advert = (): void => {
    const said = { v: 1, process, version, region, fingerprint, agents: other.adverts() };
    w.bus.publish('roombridge.advert', JSON.parse(JSON.stringify(said)));
  };
  advert();
  await w.bus.request(subjects.drain('a1'), { on: true }, { timeoutMs: 1000 });
  await settle();
  const die = async (): Promise<void> => {
    // What its link's end does to its legs, wherever the room is.
    for (const seat of seats) seat.leave({ blame: 'server', reason: 'connection-lost' });
    await w.bus.request(subjects.drain('a1'), { on: false }, { timeoutMs: 1000 });
    await pass(w, 3500); // and it says nothing any more
  };
  return { w, other, die, advert };
}

/** Lets the bus deliver: every hop is a microtask or two. */
export const settle = async (): Promise<void> => {
  for (let i = 0; i < 50; i++) await Promise.resolve();
};

/** Time goes by, and the bus delivers what is said meanwhile. */
export const pass = async (w: DesksWorld, ms: number): Promise<void> => {
  for (let left = ms; left > 0; left -= 500) {
    w.clock.advance(Math.min(500, left));
    await settle();
  }
};
