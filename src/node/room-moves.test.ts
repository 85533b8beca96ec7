import { beforeEach, describe, expect, it } from 'vitest';
import { RoomsWorld, type TestLeg, type TestNode } from './rooms-world.testing.ts';

let w: RoomsWorld;
beforeEach(() => {
  w = new RoomsWorld();
  return () => expect(w.bugs).toEqual([]);
});

/** Each hears the other, in steps of real time so that who speaks is noticed. */
async function hearEachOther(one: TestLeg, other: TestLeg): Promise<void> {
  for (const [a, b] of [
    [one, other],
    [other, one],
  ] as const) {
    b.heard.length = 0;
    for (let pts = 0; pts < 160 * 40; pts += 160) {
      a.say(pts);
      await w.run(20);
    }
    expect(b.heard.length, `${b.participant} hears ${a.participant}`).toBeGreaterThan(10);
  }
}
const two = async (): Promise<[TestNode, TestNode]> => [await w.add('r1'), await w.add('r2')];
const hostAndOther = (room: string): [TestNode, TestNode] => {
  const [host] = w.hosts(room) as [string];
  return [w.node(host), w.nodes.find(n => n.rooms !== undefined && n.process !== host) as TestNode];
};

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
    const [r1, r2] = await two();
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
    await two();
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
    const [r1, r2] = await two();
    const a = await w.add('a');
    await r1.rooms?.close({ blame: 'server', reason: 'shutting-down' });
    r1.mesh.announce();
    await w.run(50);
    for (let i = 0; i < 5; i++) await a.join(`${i}`, `l${i}`, 'ann');
    expect([r1.rooms?.size, r2.rooms?.size]).toEqual([0, 5]);
  });
});

describe('the process that hosts a room dies', () => {
  it('and its members go on in the next: same ids, same secrets, they hear each other, nobody left or joined', async () => {
    await two();
    const [a, b] = [await w.add('a'), await w.add('b')];
    const ann = await a.join('1000', 'l1', 'ann');
    const bob = await b.join('1000', 'l2', 'bob');
    await hearEachOther(ann, bob);
    const [host, other] = hostAndOther('1000');
    host.rooms?.feed('1000', { type: 'mute', participant: 'bob', media: 'video', on: true });
    await w.run(300);
    w.facts.length = 0;
    ann.seen.length = 0;
    await host.kill();
    await w.run(500);
    expect(w.hosts('1000')).toEqual([other.process]);
    expect(w.members('1000')).toEqual(['ann:here', 'bob:here']);
    expect(other.rooms?.members('1000')?.find(m => m.participant === 'bob')?.muted).toEqual({
      audio: false,
      video: true,
    });
    await hearEachOther(ann, bob);
    await w.run(130_000);
    expect(w.factsOf('1000')).toEqual([]);
    expect([ann.told, bob.told.every(n => n.type === 'mute')]).toEqual([[], true]);
    // Who watches sees everybody from the first moment, and nobody go.
    expect(ann.seen[0]).toMatchObject({ type: 'roster', members: [{ state: 'here' }, { state: 'here' }] });
    expect(ann.seen.some(e => e.type === 'left')).toBe(false);
    // And its resume secret is still good.
    const more = await b.join('1000', 'l3', 'ann', {
      who: { user: 'ann', proof: 'claimed', credential: ann.secret },
      roles: ['receive'],
    });
    expect(more.participant).toBe('ann');
  });

  it('and its members come back in any order, beside newcomers of the same name', async () => {
    await two();
    const [a, b, c] = [await w.add('a'), await w.add('b'), await w.add('c')];
    await a.join('1000', 'l1', 'ann');
    await b.join('1000', 'l2', 'ann');
    await w.run(300);
    const [host] = hostAndOther('1000');
    const killed = host.kill();
    const joining = c.join('1000', 'l3', 'ann');
    await killed;
    await w.run(1000);
    expect((await joining).participant).toBe('ann-3');
    expect(w.members('1000')).toEqual(['ann-2:here', 'ann-3:here', 'ann:here']);
  });

  it('with the process of a member: that one is away, then gone after the session keep', async () => {
    await two();
    const [a, b] = [await w.add('a'), await w.add('b')];
    await a.join('1000', 'l1', 'ann');
    await b.join('1000', 'l2', 'bob');
    await w.run(300);
    const [host] = hostAndOther('1000');
    w.facts.length = 0;
    await host.kill();
    await b.kill();
    await w.run(500);
    expect(w.members('1000')).toEqual(['ann:here', 'bob:here']);
    await w.run(5000);
    expect(w.members('1000')).toEqual(['ann:here', 'bob:away']);
    await w.run(120_000);
    expect(w.members('1000')).toEqual(['ann:here']);
    expect(w.factsOf('1000')).toEqual(['participant.away bob', 'participant.left bob']);
  });

  it('with everybody in it: another node lets their time run out, and the room ends', async () => {
    await two();
    const a = await w.add('a');
    await a.join('1000', 'l1', 'ann');
    await w.run(300);
    const [host, other] = hostAndOther('1000');
    await a.kill();
    await host.kill();
    w.facts.length = 0;
    await w.run(20_000);
    expect([w.hosts('1000'), w.members('1000')]).toEqual([[other.process], ['ann:here']]);
    await w.run(130_000);
    expect(w.factsOf('1000')).toEqual(['participant.away ann', 'participant.left ann', 'room.ended']);
    expect(await w.bus.kv.keys('room')).toEqual([]);
  });

  it('while a member hangs up: it is gone from the next one, too', async () => {
    await two();
    const [a, b] = [await w.add('a'), await w.add('b')];
    await a.join('1000', 'l1', 'ann');
    const bob = await b.join('1000', 'l2', 'bob');
    await w.run(300);
    const [host] = hostAndOther('1000');
    await host.kill();
    bob.leave();
    await w.run(500);
    expect(w.members('1000')).toEqual(['ann:here']);
    expect(bob.told).toEqual([]);
  });

  it('when a leg was absent: it still is', async () => {
    await two();
    const a = await w.add('a');
    const ann = await a.join('1000', 'l1', 'ann');
    ann.absent(true);
    await w.run(300);
    const [host] = hostAndOther('1000');
    await host.kill();
    await w.run(500);
    expect(w.members('1000')).toEqual(['ann:away']);
    ann.absent(false);
    await w.settle();
    expect(w.members('1000')).toEqual(['ann:here']);
  });

  it('and there is no other: legs end with a sentence, unless one comes in time', async () => {
    const r1 = await w.add('r1');
    const a = await w.add('a');
    const [ann, bob] = [await a.join('1000', 'l1', 'ann'), await a.join('2000', 'l2', 'bob')];
    await w.run(300);
    await r1.kill();
    await w.run(1500);
    expect(ann.told).toEqual([]);
    await w.add('r2');
    await w.run(1500);
    expect([w.members('1000'), w.members('2000')]).toEqual([['ann:here'], ['bob:here']]);
    await w.node('r2').kill();
    await w.run(4500);
    for (const leg of [ann, bob])
      expect(leg.told.at(-1)).toMatchObject({ type: 'close', why: { reason: 'room-lost' } });
    expect(await w.bus.kv.keys('room'), 'their rooms are over').toEqual([]);
  });

  it('twice, the second while the legs of the first are coming back', async () => {
    await w.add('r1');
    await w.add('r2');
    await w.add('r3');
    const [a, b] = [await w.add('a'), await w.add('b')];
    const legs = [await a.join('1000', 'l1', 'ann'), await b.join('1000', 'l2', 'bob')] as const;
    await w.run(300);
    await w.node(w.hosts('1000')[0] as string).kill();
    await w.run(60);
    const [second] = w.hosts('1000');
    if (second !== undefined) await w.node(second).kill();
    await w.run(1000);
    expect(w.hosts('1000')).toHaveLength(1);
    expect(w.members('1000')).toEqual(['ann:here', 'bob:here']);
    await hearEachOther(...legs);
  });
});

describe('a room moves', () => {
  it('to another process when its own is emptied, and members notice no more than a gap', async () => {
    await two();
    const [a, b] = [await w.add('a'), await w.add('b')];
    const ann = await a.join('1000', 'l1', 'ann');
    const bob = await b.join('1000', 'l2', 'bob');
    await w.run(300);
    w.facts.length = 0;
    const [host, other] = hostAndOther('1000');
    await host.rooms?.close({ blame: 'server', reason: 'shutting-down' }, room =>
      host.finder.successor(room),
    );
    await w.run(100);
    expect([w.hosts('1000'), w.members('1000')]).toEqual([[other.process], ['ann:here', 'bob:here']]);
    await hearEachOther(ann, bob);
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
    await two();
    const [a, b] = [await w.add('a'), await w.add('b')];
    const ann = await a.join('1000', 'l1', 'ann');
    await w.run(300);
    const [host, other] = hostAndOther('1000');
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
    await hearEachOther(ann, bob);
    expect(w.factsOf('1000')).toEqual(['participant.joined bob']);
  });

  it('away from a node that was cut off: those who hear the bus are together at once, who is cut off with it at its return', async () => {
    await two();
    const [a, b, c] = [await w.add('a'), await w.add('b'), await w.add('c')];
    const ann = await a.join('1000', 'l1', 'ann');
    const cut = await c.join('1000', 'l3', 'cut');
    await w.run(300);
    const [host, other] = hostAndOther('1000');
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
    await hearEachOther(ann, bob);
    await hearEachOther(near, cut);
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
    await hearEachOther(near, cut);
  });

  it('and the copy that was left behind ends: what a successor needs of the members stays in the store', async () => {
    await two();
    const [a, b] = [await w.add('a'), await w.add('b')];
    const ann = await a.join('1000', 'l1', 'ann');
    await w.run(300);
    const [host, other] = hostAndOther('1000');
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
    await two();
    const [a, b] = [await w.add('a'), await w.add('b')];
    const first = await a.join('1000', 'l1', 'host');
    await w.run(300);
    const [host] = hostAndOther('1000');
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
    await hearEachOther(here, there);
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
    await hearEachOther(ann, bob);
  });
});

describe('what outlives a node', () => {
  it('settings and bans of a room', async () => {
    await two();
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
    const [host, other] = hostAndOther('1000');
    await host.kill();
    await w.run(500);
    expect(other.rooms?.summary('1000')?.settings).toMatchObject({ pin: '4711', layout: 'grid' });
    await expect(a.join('1000', 'l3', 'mal', { who: who('mal') })).rejects.toMatchObject({
      why: { reason: 'banned' },
    });
    await expect(a.join('1000', 'l4', 'new')).rejects.toMatchObject({ why: { reason: 'wrong-pin' } });
  });

  it('settings set at one node reach the one that hosts the room', async () => {
    const [r1, r2] = await two();
    await (await w.add('a')).join('1000', 'l1', 'ann');
    const [host] = hostAndOther('1000');
    const elsewhere = host === r1 ? r2 : r1;
    await elsewhere.rooms?.set('1000', { locked: true });
    await w.settle();
    expect(host.rooms?.summary('1000')?.settings.locked).toBe(true);
  });
});
