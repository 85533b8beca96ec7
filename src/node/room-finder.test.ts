import { expect, it } from 'vitest';
import type { ProcessAdvert } from '../agents/advert.ts';
import type { Mesh } from './mesh.ts';
import { RoomFinder } from './room-finder.ts';
import { NodeWorld } from './room-node.testing.ts';
import { serveRooms } from './room-service.ts';
import { subjects } from './subjects.ts';

/** The finder of `r1`, which hears itself and `nodes`; its own rooms are served. */
function finding(...nodes: string[]) {
  const w = new NodeWorld();
  const heard = new Set(['r1', ...nodes]);
  const advert = (process: string): ProcessAdvert => ({
    v: 1,
    process,
    version: '0',
    region: 'r',
    fingerprint: process,
    agents: [],
    roomNode: { host: '', tlsPort: 1, udpPort: 1, rooms: 0, draining: false },
  });
  const table = {
    get: (process: string) => (heard.has(process) ? advert(process) : undefined),
    processes: () => [...heard].map(advert),
  };
  const finder = new RoomFinder({
    process: 'r1',
    region: 'r',
    mesh: { table, giveUp: (process: string) => void heard.delete(process) } as unknown as Mesh,
    bus: w.bus,
    store: w.store,
    own: w.node,
    remote: {
      port: async () => {
        throw new Error('nobody goes there');
      },
    },
  });
  serveRooms(w.bus, 'r1', w.node);
  return { w, finder, heard };
}
const ANN = {
  id: 'ann',
  who: { user: 'ann', proof: 'claimed' },
  secretKeys: [],
  muted: { audio: false, video: false },
} as const;

it('rooms of the dead have an heir, and who is in them is expected there', async () => {
  const { w, finder } = finding();
  await w.theirs.claim('1', 'dead');
  await w.theirs.saveMembers('1', [ANN]);
  await w.theirs.claim('2', 'died-lately');
  expect(await finder.adopt(node => node === 'dead')).toBe(true);
  expect([await w.host('1'), await w.host('2'), w.node.names]).toEqual(['r1', 'died-lately', ['1']]);
});

it('one room node sees to it, for all', async () => {
  const { w, finder } = finding('r0');
  await w.theirs.claim('1', 'dead');
  expect(await finder.adopt(() => true)).toBe(true);
  expect(await w.host('1')).toBe('dead');
});

it('and again, as long as somebody who is not heard has not said that it lives, nor has it died', async () => {
  const { w, finder } = finding();
  await w.theirs.claim('1', 'silent');
  const unserve = w.bus.serve(subjects.room('silent'), () => new Promise(() => {}));
  const adopted = finder.adopt(() => true);
  await w.run(1100);
  expect([await adopted, await w.host('1')]).toEqual([false, 'silent']);
  unserve();
  expect([await finder.adopt(() => true), await w.host('1')]).toEqual([true, 'r1']);
});

it('a room whose legs have ended for want of a node is over, unless its host is heard', async () => {
  const { w, finder, heard } = finding('r2');
  await w.theirs.claim('1', 'r2');
  await w.theirs.saveMembers('1', [ANN]);
  await finder.abandon('1');
  expect([await w.host('1'), await w.kept('1')]).toEqual(['r2', ['ann']]);
  heard.delete('r2');
  await finder.abandon('1');
  expect([await w.host('1'), await w.kept('1')]).toEqual([undefined, undefined]);
});
