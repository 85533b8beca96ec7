import { beforeEach, describe, expect, it } from 'vitest';
import { silentLog } from '../../test/harness/fakes.ts';
import type { LegEvent } from '../contract.ts';
import { refuse } from '../kit/refusal.ts';
import { AgentDesk } from './agent-desk.ts';
import {
  DesksWorld,
  HUNG_UP,
  pass,
  request,
  ScriptedAgent,
  settle,
  withAnother,
} from './desks-world.testing.ts';
import { subjects } from './subjects.ts';

let w: DesksWorld;
beforeEach(() => {
  w = new DesksWorld();
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
    await pass(w, 5000); // `q` says nothing any more
    expect(closed()).toMatchObject([{ why: { reason: 'agent-lost' } }]);
    expect(w.gone).toEqual(['alice']);
  });
  it('that die leave legs that outlive them: placed again unasked, as the same participant', async () => {
    const { w: world, die } = await withAnother(w);
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
    const { w: world, die } = await withAnother(w);
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
    const { w: world, advert } = await withAnother(w);
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
    const { w: world, die } = await withAnother(w);
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
