import { beforeEach, describe, expect, it } from 'vitest';
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

const HUNG_UP: Termination = { blame: 'none', reason: 'hung-up' };
const request = (leg: string, more: Partial<LegRequest> = {}): LegRequest => ({
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
class ScriptedAgent implements Agent {
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
class World {
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
    ladders: new Ladders(),
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
async function withAnother() {
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
    await pass(3500); // and it says nothing any more
  };
  return { w, die, advert };
}

/** Lets the bus deliver: every hop is a microtask or two. */
const settle = async (): Promise<void> => {
  for (let i = 0; i < 50; i++) await Promise.resolve();
};

/** Time goes by, and the bus delivers what is said meanwhile. */
const pass = async (ms: number): Promise<void> => {
  for (let left = ms; left > 0; left -= 500) {
    w.clock.advance(Math.min(500, left));
    await settle();
  }
};

let w: World;
beforeEach(() => {
  w = new World();
});

describe('a leg', () => {
  it('is placed, answered, told to close, and gone', async () => {
    const { placed, events, closed } = await w.place('alice');
    expect(placed).toMatchObject({ agent: 'a1', participant: 'alice' });
    expect(events).toEqual([{ type: 'description', id: 0, native: 'answer' }]);
    expect(w.members()).toEqual(['alice']);
    placed.send({ type: 'close', why: HUNG_UP });
    await settle();
    expect(closed()).toEqual([{ type: 'closed', why: HUNG_UP }]);
    expect([w.desk.size, w.legs.size, w.rooms.size]).toEqual([0, 0, 0]);
    expect(w.closedMetrics).toEqual(['hung-up']);
  });
  it('that says nothing when told to close is forgotten after 5 s', async () => {
    const { placed, closed } = await w.place('alice');
    w.agent.deaf = true;
    placed.send({ type: 'close', why: HUNG_UP });
    await settle();
    expect(closed()).toEqual([]);
    w.clock.advance(5001);
    await settle();
    expect(closed()).toHaveLength(1);
    expect(w.rooms.size).toBe(0);
  });
  it('that ends by itself tells its front once, and its seat is free', async () => {
    const { closed } = await w.place('alice');
    const emit = w.agent.emits.get('alice');
    emit?.({ type: 'closed', why: HUNG_UP });
    emit?.({ type: 'closed', why: HUNG_UP });
    await settle();
    expect(closed()).toHaveLength(1);
    expect(w.rooms.size).toBe(0);
  });
  it('given up while its agent still thinks leaves nothing behind', async () => {
    let done = (): void => {};
    w.agent.taking = () => new Promise(resolve => (done = resolve));
    const caller = new AbortController();
    const placing = w.place('alice', caller.signal);
    await settle();
    caller.abort();
    await expect(placing).rejects.toMatchObject({ why: { reason: 'cancelled' } });
    done();
    await settle();
    expect(w.agent.told.get('alice')).toEqual([expect.objectContaining({ type: 'close' })]);
    expect([w.desk.size, w.legs.size, w.rooms.size]).toEqual([0, 0, 0]);
  });
  it('whose agent fails is refused, and the room it made is gone', async () => {
    w.agent.taking = async () => {
      throw new TypeError('a bug');
    };
    await expect(w.place('alice')).rejects.toMatchObject({ why: { reason: 'internal-error' } });
    expect([w.desk.size, w.legs.size, w.rooms.size]).toEqual([0, 0, 0]);
  });
  it('kicked or muted by the room is told so', async () => {
    const { closed } = await w.place('alice');
    await w.finder.ask({ type: 'mute', room: '1000', participant: 'alice', media: 'audio', on: true });
    await w.finder.ask({
      type: 'kick',
      room: '1000',
      participant: 'alice',
      why: { blame: 'none', reason: 'kicked' },
    });
    await settle();
    expect(w.agent.told.get('alice')?.map(c => c.type)).toEqual(['mute', 'close']);
    expect(closed()).toEqual([{ type: 'closed', why: { blame: 'none', reason: 'kicked' } }]);
  });
});

describe('agents', () => {
  it('that drain or are full take no more', async () => {
    w.agent.capacity = 1;
    await w.place('alice');
    w.mesh.announce();
    await expect(w.place('bob')).rejects.toMatchObject({ why: { reason: 'no-agent' } });
    w.agent.capacity = 10;
    w.desk.drainAll();
    await expect(w.place('carol')).rejects.toMatchObject({ why: { reason: 'no-agent' } });
    expect(w.members()).toEqual(['alice']);
  });
  it('that die take their legs along: fronts are told, rooms give them up', async () => {
    const other = new AgentDesk({
      bus: w.bus,
      seats: w.seats,
      wills: { execute: () => {} },
      clock: w.clock,
      log: silentLog,
      changed: () => {},
    });
    const agent = new ScriptedAgent();
    other.add('a2', 'test', agent);
    w.desk.drainAll();
    const advert = {
      v: 1,
      process: 'q',
      version: '0',
      region: 'r',
      fingerprint: 'G',
      agents: other.adverts(),
    } as const;
    w.bus.publish('roombridge.advert', JSON.parse(JSON.stringify(advert)));
    await settle();
    const { placed, closed } = await w.place('alice');
    expect(placed.agent).toBe('a2');
    await pass(5000); // `q` says nothing any more
    expect(closed()).toMatchObject([{ why: { reason: 'agent-lost' } }]);
    expect(w.gone).toEqual(['alice']);
  });
  it('that die leave legs that outlive them: placed again unasked, as the same participant', async () => {
    const { w: world, die } = await withAnother();
    const asked: string[] = [];
    const events: LegEvent[] = [];
    const on = (e: LegEvent): void => void events.push(e);
    const never = new AbortController().signal;
    const placed = await world.legs.place(request('alice', { outlivesAgent: true }), on, never);
    placed.send({ type: 'will', native: 'will' });
    world.authorizing = r => void asked.push(r.leg);
    await die();
    expect(events.filter(e => e.type === 'closed')).toMatchObject([{ why: { reason: 'agent-lost' } }]);
    expect(world.gone).toEqual([]); // its front may want it back
    expect(world.states()).toEqual(['alice:away']);

    const anew = { leg: 'alice-again', begin: { type: 'make-offer', native: 'n' } } as const;
    const again = await placed.again?.(anew, on, never);
    expect(again).toMatchObject({ id: 'alice-again', agent: 'a1', participant: 'alice' });
    expect(again?.secret).toBe(placed.secret);
    expect(world.states()).toEqual(['alice:here']);
    expect(asked).toEqual([]);
    again?.send({ type: 'will', native: 'same will' });
    await settle();
    world.desk.ownerLost('p');
    expect(world.executed).toEqual(['alice-again same will']);
  });
  it('that die and are not replaced: the room gives up whom the front gives up', async () => {
    const { w: world, die } = await withAnother();
    const never = new AbortController().signal;
    const placed = await world.legs.place(request('alice', { outlivesAgent: true }), () => {}, never);
    await die();
    const anew = { leg: 'again', begin: { type: 'make-offer' } } as const;
    world.agent.taking = async () => {
      throw refuse('server', 'no-port', 'None left.');
    };
    await expect(placed.again?.(anew, () => {}, never)).rejects.toMatchObject({ why: { reason: 'no-port' } });
    await settle();
    expect(world.states()).toEqual(['alice:away']); // another one may yet take it
    placed.send({ type: 'close', why: HUNG_UP });
    expect(world.gone).toEqual(['alice']);
  });
  it('that are emptied say so to legs that outlive them; the new one replaces the old one, never away', async () => {
    const { w: world, advert } = await withAnother();
    const never = new AbortController().signal;
    const [bob, events]: [string[], LegEvent[]] = [[], []];
    await world.legs.place(request('bob'), e => void bob.push(e.type), never);
    const on = (e: LegEvent): void => void events.push(e);
    const placed = await world.legs.place(request('alice', { outlivesAgent: true }), on, never);
    await world.bus.request(subjects.drain('a1'), { on: false }, { timeoutMs: 1000 });
    await world.bus.request(subjects.drain('a2'), { on: true }, { timeoutMs: 1000 });
    advert();
    await settle();
    expect(bob).not.toContain('move');
    expect(events).toContainEqual({ type: 'move' });
    const anew = { leg: 'alice-again', begin: { type: 'make-offer' } } as const;
    const again = await placed.again?.(anew, () => {}, never);
    await settle();
    expect(again).toMatchObject({ agent: 'a1', participant: 'alice' });
    expect(events.at(-1)).toMatchObject({ type: 'closed', why: { reason: 'replaced' } });
    expect(world.states()).toEqual(['bob:here', 'alice:here']);
  });
  it('close the legs of a front that died', async () => {
    await w.place('alice');
    w.desk.ownerLost('p');
    await settle();
    expect(w.agent.told.get('alice')).toMatchObject([{ type: 'close', why: { reason: 'front-lost' } }]);
    expect(w.rooms.size).toBe(0);
    expect(w.executed).toEqual([]); // it left no will
  });
  it('keep the seat of a leg that returns by itself, when its front dies or its agent does', async () => {
    const { w: world, die } = await withAnother();
    const never = new AbortController().signal;
    await world.legs.place(request('alice', { returns: true }), () => {}, never);
    await die();
    expect([world.states(), world.gone]).toEqual([['alice:away'], []]);
    await world.legs.place(request('bob', { returns: true }), () => {}, never);
    world.desk.ownerLost('p');
    await settle();
    expect(world.states()).toEqual(['alice:away', 'bob:away']);
  });
  it('execute the newest will of a front that died', async () => {
    const alice = await w.place('alice');
    const bob = await w.place('bob');
    alice.placed.send({ type: 'will', native: 'older' });
    alice.placed.send({ type: 'will', native: 'newer' });
    bob.placed.send({ type: 'will', native: 'over' });
    bob.placed.send({ type: 'will', native: null });
    await settle();
    w.desk.ownerLost('p');
    expect(w.executed).toEqual(['alice newer']);
    expect(w.agent.told.get('alice')?.map(c => c.type)).toEqual(['close']); // its leg hears nothing of wills
  });
});

describe('at the end', () => {
  it('every leg is told, and no timer of ours is left but the heartbeat', async () => {
    const { closed } = await w.place('alice');
    await w.desk.close({ blame: 'server', reason: 'shutting-down' });
    await settle();
    expect(closed()).toHaveLength(1);
    w.mesh.close();
    w.legs.close();
    await w.bus.close();
    expect(w.clock.armed).toBe(0);
    expect(w.bugs).toEqual([]);
  });
});
