import { beforeEach, describe, expect, it } from 'vitest';
import { NodeWorld, settle } from './room-node.testing.ts';

let w: NodeWorld;
beforeEach(() => {
  w = new NodeWorld();
});

const SHUTTING_DOWN = { blame: 'server', reason: 'shutting-down' } as const;
/** The room goes on at another node, as a process that thinks ours dead has it. */
const takenBy = async (node: string, room = '1000'): Promise<void> => {
  const claim = await w.theirs.host(room);
  if (claim !== undefined) await w.theirs.take(claim, node);
};

describe('a room that was opened', () => {
  it('and that nobody joins is over in five seconds, and its key is nobody’s', async () => {
    await w.node.open('1000');
    await w.run(4900);
    expect([w.node.names, await w.host('1000')]).toEqual([['1000'], 'r1']);
    await w.run(200);
    expect([w.node.names, await w.host('1000')]).toEqual([[], undefined]);
    expect(w.news).toEqual(['1000 created', '1000 ended']);
  });

  it('while its key was deleted gets it back', async () => {
    w.kv.once('get', 'members.1000', async () => {
      await w.bus.kv.delete('room.1000');
      await settle();
    });
    await w.join('1000', 'ann');
    await settle();
    expect([w.node.names, await w.host('1000')]).toEqual([['1000'], 'r1']);
  });

  it('while its key was given to another is opened there', async () => {
    w.kv.once('get', 'members.1000', async () => {
      await takenBy('r2');
      await settle();
    });
    await expect(w.node.open('1000')).rejects.toMatchObject({ why: { reason: 'room-elsewhere' } });
    expect([w.node.names, await w.host('1000')]).toEqual([[], 'r2']);
  });

  it('is over when its last member leaves, and leaves nothing in the store', async () => {
    const ann = await w.join('1000', 'ann');
    await w.run(300);
    expect(await w.kept('1000')).toEqual(['ann']);
    ann.leave();
    await settle();
    expect([await w.bus.kv.keys('room'), await w.bus.kv.keys('members')]).toEqual([[], []]);
  });

  it('and is over takes its key along when the store is back', async () => {
    const ann = await w.join('1000', 'ann');
    w.kv.failOnce('delete', 'room.1000');
    ann.leave();
    await settle();
    expect(await w.host('1000')).toBe('r1');
    await w.run(1000);
    expect([await w.host('1000'), w.news.at(-1)]).toEqual([undefined, '1000 ended']);
  });

  it('and is over, though its key was lost with the store', async () => {
    const ann = await w.join('1000', 'ann');
    await w.run(300);
    w.kv.once('get', 'room.1000', () => w.bus.kv.delete('room.1000'));
    ann.leave();
    await settle();
    expect(w.news.at(-1)).toBe('1000 ended');
    expect(await w.bus.kv.keys('members')).toEqual([]);
  });
});

describe('what a successor needs', () => {
  it('is written again when the store did not take it, though nothing changes', async () => {
    await w.join('1000', 'ann');
    w.kv.failOnce('create', 'members.1000');
    await w.run(300);
    expect(await w.kept('1000')).toBeUndefined();
    await w.run(2000);
    expect(await w.kept('1000')).toEqual(['ann']);
  });

  it('is written by whoever has the room now, over what a former host still wrote', async () => {
    await w.theirs.claim('1000', 'r1');
    await w.theirs.saveMembers('1000', []);
    await w.join('1000', 'ann');
    await w.run(300);
    // While nobody looked it was another's, who knew of nobody.
    const before = w.node.get('1000');
    w.kv.once('get', 'room.1000', async () => {
      await w.theirs.saveMembers('1000', []);
      await takenBy('r1');
    });
    await takenBy('r2');
    await w.run(500);
    expect(w.node.get('1000')).toBe(before);
    expect(await w.kept('1000')).toEqual(['ann']);
  });

  it('is written at once by a new host, over what the one before writes last', async () => {
    await w.theirs.claim('1000', 'r1');
    const saved = { id: 'ann', who: { user: 'ann', proof: 'claimed' }, secretKeys: [] } as const;
    await w.theirs.saveMembers('1000', [{ ...saved, muted: { audio: false, video: false } }]);
    await w.node.open('1000');
    await w.theirs.saveMembers('1000', []);
    await w.run(300);
    expect(await w.kept('1000')).toEqual(['ann']);
  });

  it('is not taken from the next host by the one whose copy ends', async () => {
    const ann = await w.join('1000', 'ann');
    await w.run(300);
    w.kv.once('delete', 'members.1000', async () => {
      await takenBy('r2');
      await w.theirs.saveMembers('1000', []);
    });
    ann.leave();
    await w.run(100);
    expect([await w.host('1000'), await w.kept('1000')]).toEqual(['r2', []]);
  });
});

describe('a copy of a room that goes on elsewhere', () => {
  it('ends without a word about the room', async () => {
    const ann = await w.join('1000', 'ann');
    w.kv.before = () => new Promise(() => {}); // it does not know yet
    await takenBy('r2');
    await settle();
    w.kv.before = () => {};
    ann.leave();
    await w.run(100);
    expect(w.news.filter(n => n === '1000 ended')).toEqual([]);
    expect(await w.host('1000')).toBe('r2');
  });

  it('is given up, not ended, when the node closes just then', async () => {
    const ann = await w.join('1000', 'ann');
    w.kv.once('update', 'room.1000', () => takenBy('r2'));
    await w.node.close(SHUTTING_DOWN, () => 'r3');
    expect(ann.told).toMatchObject([{ type: 'close', why: { reason: 'room-moved' } }]);
    expect(await w.host('1000')).toBe('r2');
  });
});

describe('a node that closes', () => {
  it('hands over its rooms, and those that are being opened just then', async () => {
    const ann = await w.join('1', 'ann');
    let open = (): void => {};
    w.kv.once('get', 'bans.2', () => new Promise<void>(done => (open = done)));
    const joining = w.join('2', 'bob');
    await settle();
    // It was let in already: nothing is asked of the store after this.
    const closing = w.node.close(SHUTTING_DOWN, () => 'r2');
    open();
    await Promise.allSettled([joining, closing]);
    await settle();
    expect([w.node.names, await w.host('1'), await w.host('2')]).toEqual([[], 'r2', 'r2']);
    expect(ann.told).toMatchObject([{ type: 'close', why: { reason: 'room-moved' } }]);
    w.clock.run(200_000); // nothing rings any more
    await settle();
    expect(w.news.filter(n => n.endsWith('ended'))).toEqual([]);
  });

  it('ends them when there is nobody to go on with', async () => {
    const ann = await w.join('1', 'ann');
    await w.node.close(SHUTTING_DOWN);
    expect(ann.told).toEqual([{ type: 'close', why: SHUTTING_DOWN }]);
    expect([w.node.names, await w.host('1')]).toEqual([[], undefined]);
  });

  it('writes a key anew that was lost with the store', async () => {
    await w.join('1', 'ann');
    w.kv.once('get', 'room.1', () => w.bus.kv.delete('room.1'));
    await w.node.close(SHUTTING_DOWN, () => 'r2');
    expect([w.node.names, await w.host('1')]).toEqual([[], 'r2']);
  });
});

describe('a room whose key names this node', () => {
  const given = async (members: Parameters<typeof w.theirs.saveMembers>[1] | undefined): Promise<void> => {
    await w.theirs.claim('1000', 'r1');
    if (members !== undefined) await w.theirs.saveMembers('1000', members);
  };
  const ANN = {
    id: 'ann',
    who: { user: 'ann', proof: 'claimed' },
    secretKeys: [],
    muted: { audio: false, video: false },
  } as const;

  it('goes on for the members it had', async () => {
    await given([ANN]);
    await w.node.unopened('1000');
    expect([w.node.names, w.news]).toEqual([['1000'], ['1000 taken-over']]);
  });
  it('is nobody’s again when it had none', async () => {
    for (const members of [undefined, []]) {
      await given(members);
      await w.node.unopened('1000');
      expect([w.node.names, await w.host('1000'), await w.kept('1000')]).toEqual([[], undefined, undefined]);
    }
  });
  it('is left alone when it names another by now', async () => {
    await given([ANN]);
    await takenBy('r2');
    await w.node.unopened('1000');
    await w.node.resume('1000');
    expect([w.node.names, await w.host('1000'), await w.kept('1000')]).toEqual([[], 'r2', ['ann']]);
  });
});
