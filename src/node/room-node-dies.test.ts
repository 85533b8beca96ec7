import { beforeEach, describe, expect, it } from 'vitest';
import { RoomsWorld } from './rooms-world.testing.ts';

let w: RoomsWorld;
beforeEach(() => {
  w = new RoomsWorld();
  return () => expect(w.bugs).toEqual([]);
});

describe('the process that hosts a room dies', () => {
  it('and its members go on in the next: same ids, same secrets, they hear each other, nobody left or joined', async () => {
    await w.two();
    const [a, b] = [await w.add('a'), await w.add('b')];
    const ann = await a.join('1000', 'l1', 'ann');
    const bob = await b.join('1000', 'l2', 'bob');
    await w.hearEachOther(ann, bob);
    const [host, other] = w.hostAndOther('1000');
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
    await w.hearEachOther(ann, bob);
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
    await w.two();
    const [a, b, c] = [await w.add('a'), await w.add('b'), await w.add('c')];
    await a.join('1000', 'l1', 'ann');
    await b.join('1000', 'l2', 'ann');
    await w.run(300);
    const [host] = w.hostAndOther('1000');
    const killed = host.kill();
    const joining = c.join('1000', 'l3', 'ann');
    await killed;
    await w.run(1000);
    expect((await joining).participant).toBe('ann-3');
    expect(w.members('1000')).toEqual(['ann-2:here', 'ann-3:here', 'ann:here']);
  });

  it('with the process of a member: that one is away, then gone after the session keep', async () => {
    await w.two();
    const [a, b] = [await w.add('a'), await w.add('b')];
    await a.join('1000', 'l1', 'ann');
    await b.join('1000', 'l2', 'bob');
    await w.run(300);
    const [host] = w.hostAndOther('1000');
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
    await w.two();
    const a = await w.add('a');
    await a.join('1000', 'l1', 'ann');
    await w.run(300);
    const [host, other] = w.hostAndOther('1000');
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
    await w.two();
    const [a, b] = [await w.add('a'), await w.add('b')];
    await a.join('1000', 'l1', 'ann');
    const bob = await b.join('1000', 'l2', 'bob');
    await w.run(300);
    const [host] = w.hostAndOther('1000');
    await host.kill();
    bob.leave();
    await w.run(500);
    expect(w.members('1000')).toEqual(['ann:here']);
    expect(bob.told).toEqual([]);
  });

  it('when a leg was absent: it still is', async () => {
    await w.two();
    const a = await w.add('a');
    const ann = await a.join('1000', 'l1', 'ann');
    ann.absent(true);
    await w.run(300);
    const [host] = w.hostAndOther('1000');
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
    await w.hearEachOther(...legs);
  });
});
