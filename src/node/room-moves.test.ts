import { beforeEach, describe, expect, it } from 'vitest';
import { RoomsWorld, type TestNode } from './rooms-world.testing.ts';

let w: RoomsWorld;
beforeEach(() => {
  w = new RoomsWorld();
  return () => expect(w.bugs).toEqual([]);
});

describe('one process hosts a room', () => {
  it('though two join it at the same moment, and a second node has just appeared', async () => {
    const [r1] = [await w.add('r1')];
    const [a, b] = [await w.add('a'), await w.add('b')];
    for (const room of ['1', '2', '3', '4', '5', '6']) {
      const r2 = room === '1' ? w.add('r2') : undefined;
      const joined = await Promise.all([
        a.join(room, `a${room}`, 'ann'),
        b.join(room, `b${room}`, 'bob'),
        r2,
      ]);
      await w.settle();
      expect(w.hosts(room)).toHaveLength(1);
      expect(w.members(room)).toEqual(['ann:here', 'bob:here']);
      for (const leg of [joined[0], joined[1]]) leg.leave();
    }
    await w.settle();
    expect(await w.bus.kv.keys('room')).toEqual([]);
    expect(await w.bus.kv.keys('members')).toEqual([]);
    expect(r1.rooms?.size).toBe(0);
  });

  it('and a node opens none that the store says is elsewhere', async () => {
    const [r1, r2] = await w.two();
    await r1.store.claim('1000', 'r1');
    await expect(r2.rooms?.open('1000')).rejects.toMatchObject({ why: { reason: 'room-elsewhere' } });
    expect(w.hosts('1000')).toEqual([]);
  });

  it('also when it dies between being named and being asked', async () => {
    await w.add('r1');
    const a = await w.add('a');
    const r2 = await w.add('r2');
    await a.store.claim('1000', 'r2');
    await r2.kill();
    const leg = await a.join('1000', 'l1', 'ann');
    expect([leg.participant, w.hosts('1000')]).toEqual(['ann', ['r1']]);
  });

  it('and is made anew by the next who joins after it ended', async () => {
    await w.two();
    const a = await w.add('a');
    for (let i = 0; i < 3; i++) {
      const leg = await a.join('1000', `l${i}`, 'ann');
      leg.leave();
    }
    await w.settle();
    expect(w.hosts('1000')).toEqual([]);
    expect(w.factsOf('1000').filter(f => f.startsWith('room'))).toEqual(
      Array.from({ length: 3 }, () => ['room.created', 'room.ended']).flat(),
    );
  });

  it('none that is being emptied', async () => {
    const [r1, r2] = await w.two();
    const a = await w.add('a');
    await r1.rooms?.close({ blame: 'server', reason: 'shutting-down' });
    r1.mesh.announce();
    await w.run(50);
    for (let i = 0; i < 5; i++) await a.join(`${i}`, `l${i}`, 'ann');
    expect([r1.rooms?.size, r2.rooms?.size]).toEqual([0, 5]);
  });
});

describe('a room moves', () => {
  it('to another process when its own is emptied, and members notice no more than a gap', async () => {
    await w.two();
    const [a, b] = [await w.add('a'), await w.add('b')];
    const ann = await a.join('1000', 'l1', 'ann');
    const bob = await b.join('1000', 'l2', 'bob');
    await w.run(300);
    w.facts.length = 0;
    const [host, other] = w.hostAndOther('1000');
    await host.rooms?.close({ blame: 'server', reason: 'shutting-down' }, room =>
      host.finder.successor(room),
    );
    await w.run(100);
    expect([w.hosts('1000'), w.members('1000')]).toEqual([[other.process], ['ann:here', 'bob:here']]);
    await w.hearEachOther(ann, bob);
    expect([w.factsOf('1000'), ann.told, bob.told]).toEqual([[], [], []]);
  });

  it('ends with its last process', async () => {
    const r1 = await w.add('r1');
    const ann = await r1.join('1000', 'l1', 'ann');
    const why = { blame: 'server', reason: 'shutting-down' } as const;
    await r1.rooms?.close(why, room => r1.finder.successor(room));
    expect(ann.told).toEqual([{ type: 'close', why }]);
    expect(await w.bus.kv.keys('room')).toEqual([]);
  });

  it('away from a node that was cut off from the bus, and back together when it returns', async () => {
    await w.two();
    const [a, b] = [await w.add('a'), await w.add('b')];
    const ann = await a.join('1000', 'l1', 'ann');
    await w.run(300);
    const [host, other] = w.hostAndOther('1000');
    w.facts.length = 0;
    host.bus.become('cut');
    await w.run(4000); // the others call it dead; ann's link to it lives, and so does her room
    expect(w.hosts('1000')).toEqual([host.process]);
    const joining = b.join('1000', 'l2', 'bob');
    await w.run(2000);
    const bob = await joining;
    expect(w.hosts('1000').sort()).toEqual(['r1', 'r2']);
    host.bus.become('up');
    await w.run(500);
    expect([w.hosts('1000'), w.members('1000')]).toEqual([[other.process], ['ann:here', 'bob:here']]);
    expect(ann.told).toEqual([]);
    await w.hearEachOther(ann, bob);
    expect(w.factsOf('1000')).toEqual(['participant.joined bob']);
  });

  it('away from a node that was cut off: those who hear the bus are together at once, who is cut off with it at its return', async () => {
    await w.two();
    const [a, b, c] = [await w.add('a'), await w.add('b'), await w.add('c')];
    const ann = await a.join('1000', 'l1', 'ann');
    const cut = await c.join('1000', 'l3', 'cut');
    await w.run(300);
    const [host, other] = w.hostAndOther('1000');
    const near = await host.join('1000', 'l4', 'near');
    await w.run(300);
    w.facts.length = 0;
    host.bus.become('cut');
    c.bus.become('cut');
    await w.run(4000);
    expect(other.rooms?.get('1000')).toBeUndefined();
    const joining = b.join('1000', 'l2', 'bob');
    await w.run(3000);
    const bob = await joining;
    expect(w.hosts('1000').sort()).toEqual(['r1', 'r2']);
    const states = (n: TestNode) =>
      n.rooms
        ?.members('1000')
        ?.map(m => `${m.participant}:${m.protocols}`)
        .sort();
    expect(states(other)).toEqual(['ann:test', 'bob:test', 'cut:', 'near:']);
    expect(states(host)).toEqual(['ann:', 'cut:test', 'near:test']);
    await w.hearEachOther(ann, bob);
    await w.hearEachOther(near, cut);
    expect(w.factsOf('1000').filter(f => /ann|bob/.test(f))).toEqual(['participant.joined bob']);
    host.bus.become('up');
    c.bus.become('up');
    await w.run(500);
    expect([w.hosts('1000'), w.members('1000')]).toEqual([
      [other.process],
      ['ann:here', 'bob:here', 'cut:here', 'near:here'],
    ]);
    for (const leg of [ann, bob, cut, near]) expect(leg.told).toEqual([]);
    expect(ann.seen.some(e => e.type === 'left')).toBe(false);
    for (const leg of [ann, bob]) await leg.leave();
    await w.settle();
    await w.hearEachOther(near, cut);
  });

  it('and the copy that was left behind ends: what a successor needs of the members stays in the store', async () => {
    await w.two();
    const [a, b] = [await w.add('a'), await w.add('b')];
    const ann = await a.join('1000', 'l1', 'ann');
    await w.run(300);
    const [host, other] = w.hostAndOther('1000');
    host.bus.become('cut');
    await w.run(4000);
    const joining = b.join('1000', 'l2', 'bob');
    await w.run(2000);
    await joining;
    await w.run(125_000); // nobody is in it but who went on elsewhere
    expect(w.hosts('1000')).toEqual([other.process]);
    host.bus.become('up');
    await w.run(2000);
    expect((await other.store.members('1000'))?.map(m => m.id).sort()).toEqual(['ann', 'bob']);
    expect([w.members('1000'), ann.told]).toEqual([['ann:here', 'bob:here'], []]);
  });

  it('with two of one name in its halves: one goes on as another, and neither hears itself', async () => {
    await w.two();
    const [a, b] = [await w.add('a'), await w.add('b')];
    const first = await a.join('1000', 'l1', 'host');
    await w.run(300);
    const [host] = w.hostAndOther('1000');
    host.bus.become('cut');
    a.bus.become('cut');
    await w.run(4000);
    const here = await a.join('1000', 'l2', 'ann'); // by the link that lives
    const joining = b.join('1000', 'l3', 'ann');
    await w.run(2000);
    const there = await joining;
    expect([here.participant, there.participant]).toEqual(['ann', 'ann']);
    host.bus.become('up');
    a.bus.become('up');
    await w.run(500);
    expect([here.participant, there.participant]).toEqual(['ann-2', 'ann']);
    expect([here.told, there.told]).toEqual([[], []]);
    first.leave(); // there is one line to hear by
    await w.settle();
    await w.hearEachOther(here, there);
    here.heard.length = 0;
    for (let pts = 0; pts < 160 * 40; pts += 160) {
      here.say(pts);
      await w.run(20);
    }
    expect(here.heard).toEqual([]);
  });

  it('nowhere when the store is lost: its key is written again', async () => {
    const [r1] = [await w.add('r1')];
    const ann = await r1.join('1000', 'l1', 'ann');
    await w.run(300);
    for (const key of [...(await w.bus.kv.keys('room')), ...(await w.bus.kv.keys('members'))])
      await w.bus.kv.delete(key);
    await w.settle();
    r1.bus.become('cut');
    r1.bus.become('up');
    await w.run(300);
    expect(await r1.store.host('1000')).toMatchObject({ node: 'r1' });
    expect((await r1.store.members('1000'))?.map(m => m.id)).toEqual(['ann']);
    expect(ann.told).toEqual([]);
  });

  it('when a link breaks and the process lives: legs join the same room again', async () => {
    const r1 = await w.add('r1');
    const a = await w.add('a');
    const ann = await a.join('1000', 'l1', 'ann');
    const bob = await r1.join('1000', 'l2', 'bob');
    await w.run(300);
    w.facts.length = 0;
    a.unlink('r1');
    await w.run(500);
    expect(w.members('1000')).toEqual(['ann:here', 'bob:here']);
    expect(w.factsOf('1000')).not.toContain('participant.left ann');
    await w.hearEachOther(ann, bob);
  });
});

describe('what outlives a node', () => {
  it('settings and bans of a room', async () => {
    await w.two();
    const a = await w.add('a');
    await a.finder.ask({ type: 'set', room: '1000', patch: { pin: '4711', layout: 'grid' } });
    const who = (user: string) =>
      ({ user, proof: 'claimed', credential: '4711', address: '192.0.2.1' }) as const;
    await a.join('1000', 'l1', 'ann', { who: who('ann') });
    await a.join('1000', 'l2', 'mal', { who: who('mal') });
    await w.run(300);
    const why = { blame: 'client', reason: 'kicked' } as const;
    await a.finder.ask({ type: 'kick', room: '1000', participant: 'mal', why });
    await w.run(300);
    const [host, other] = w.hostAndOther('1000');
    await host.kill();
    await w.run(500);
    expect(other.rooms?.summary('1000')?.settings).toMatchObject({ pin: '4711', layout: 'grid' });
    await expect(a.join('1000', 'l3', 'mal', { who: who('mal') })).rejects.toMatchObject({
      why: { reason: 'banned' },
    });
    await expect(a.join('1000', 'l4', 'new')).rejects.toMatchObject({ why: { reason: 'wrong-pin' } });
  });

  it('settings set at one node reach the one that hosts the room', async () => {
    const [r1, r2] = await w.two();
    await (await w.add('a')).join('1000', 'l1', 'ann');
    const [host] = w.hostAndOther('1000');
    const elsewhere = host === r1 ? r2 : r1;
    await elsewhere.rooms?.set('1000', { locked: true });
    await w.settle();
    expect(host.rooms?.summary('1000')?.settings.locked).toBe(true);
  });
});
