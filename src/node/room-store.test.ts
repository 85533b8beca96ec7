import { expect, it } from 'vitest';
import type { SavedMember } from '../room/saved.ts';
import { NodeWorld } from './room-node.testing.ts';

const ANN: SavedMember = {
  id: 'ann',
  who: { user: 'ann', proof: 'claimed' },
  secretKeys: ['k'],
  muted: { audio: true, video: false },
};

it('who is away has less time left the later the members are read', async () => {
  const w = new NodeWorld();
  const absent: SavedMember = { ...ANN, id: 'bob', away: { legs: [] } };
  await w.store.saveMembers('1', [ANN, { ...ANN, id: 'carl', away: { leftMs: 5000, legs: ['l1'] } }, absent]);
  w.clock.run(4000);
  expect(await w.store.members('1')).toEqual([
    ANN,
    { ...ANN, id: 'carl', away: { leftMs: 1000, legs: ['l1'] } },
    absent,
  ]);
  w.clock.run(4000);
  expect((await w.store.members('1'))?.[1]?.away?.leftMs).toBe(0);
});

it('members of rooms that nobody hosts are swept, those of others are not', async () => {
  const w = new NodeWorld();
  await w.theirs.claim('1', 'r2');
  for (const room of ['1', '2']) await w.theirs.saveMembers(room, [ANN]);
  await w.store.sweepMembers();
  expect(await w.bus.kv.keys('members')).toEqual(['members.1']);
});

it('bans are swept when all of a room are over', async () => {
  const w = new NodeWorld();
  await w.store.saveBans('1', [
    ['mal', 1000],
    ['eve', 9000],
  ]);
  await w.store.saveBans('2', [['mal', 1000]]);
  w.clock.run(2000);
  await w.store.sweepBans();
  expect(await w.bus.kv.keys('bans')).toEqual(['bans.1']);
  expect(await w.store.bans('1')).toEqual([['eve', 7000]]);
});

it('what many write at once and nobody gets through is refused, not lost in silence', async () => {
  const w = new NodeWorld();
  let n = 0;
  w.kv.before = async (what, key) => {
    if (what === 'update' || what === 'create') await w.theirs.saveBans('1', [[`mal-${n++}`, 1000]]);
    void key;
  };
  await expect(w.store.saveBans('1', [['eve', 1000]])).rejects.toMatchObject({ why: { reason: 'busy' } });
});
