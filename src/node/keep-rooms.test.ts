import { expect, it } from 'vitest';
import { silentLog } from '../../test/harness/fakes.ts';
import { ProcessClock } from '../../test/harness/simulation/clock.ts';
import { refuse } from '../kit/refusal.ts';
import { keepRooms } from './keep-rooms.ts';
import type { Mesh } from './mesh.ts';
import type { RoomFinder } from './room-finder.ts';
import { NodeWorld } from './room-node.testing.ts';

/** A room node that looks after its keys, and a finder that is told what to answer. */
function keeping() {
  const w = new NodeWorld();
  const clock = new ProcessClock(w.clock);
  const adopted: boolean[][] = [];
  let lost = (_: string): void => {};
  const world = {
    w,
    clock,
    /** Of `dead-1` and `dead-2`: whether it was to be looked after, each time. */
    adopted,
    answer: async (): Promise<boolean> => true,
    die: (process: string) => lost(process),
    stop: (): void => {},
  };
  const adopt = async (dead: (node: string) => boolean): Promise<boolean> => {
    adopted.push(['dead-1', 'dead-2'].map(dead));
    return world.answer();
  };
  world.stop = keepRooms({
    process: 'r1',
    store: w.store,
    rooms: w.node,
    finder: { adopt } as unknown as RoomFinder,
    mesh: { onLost: (on: typeof lost) => void (lost = on) } as unknown as Mesh,
    bus: w.bus,
    clock,
    log: silentLog,
  });
  return world;
}

it('rooms of the dead are looked after 15 s after its own beginning, and after each death', async () => {
  const k = keeping();
  await k.w.run(14_900);
  expect(k.adopted).toEqual([]);
  k.die('dead-1');
  await k.w.run(200);
  expect(k.adopted).toEqual([[false, true]]);
  await k.w.run(10_000);
  k.die('dead-2');
  await k.w.run(5000);
  expect(k.adopted.at(-1)).toEqual([true, false]);
  await k.w.run(10_000);
  expect(k.adopted).toEqual([
    [false, true],
    [true, false],
    [true, true],
  ]);
});

it('and again when the store was away, or somebody did not answer', async () => {
  for (const fail of [
    () => Promise.reject(refuse('server', 'bus-down', 'There is no store.')),
    () => Promise.resolve(false),
  ]) {
    const k = keeping();
    k.answer = fail;
    await k.w.run(15_100);
    expect(k.adopted).toHaveLength(1);
    k.answer = async () => true;
    await k.w.run(15_100);
    expect(k.adopted).toHaveLength(2);
    await k.w.run(60_000);
    expect(k.adopted).toHaveLength(2);
  }
});

it('what no event tells of is looked for every hour', async () => {
  const k = keeping();
  await k.w.run(15_100);
  k.w.clock.run(3_600_000);
  await k.w.run(0);
  expect(k.adopted).toHaveLength(2);
});

it('a room whose key names this node and to which nobody comes is nobody’s after 15 s, also after the store was away', async () => {
  const k = keeping();
  await k.w.theirs.claim('1000', 'r1');
  await k.w.run(14_800);
  k.w.kv.failOnce('get', 'room.1000');
  await k.w.run(1000);
  expect(await k.w.host('1000')).toBe('r1');
  await k.w.run(15_000);
  expect(await k.w.host('1000')).toBeUndefined();
});

it('nothing rings and nothing is kept after the end', async () => {
  const k = keeping();
  await k.w.theirs.claim('1000', 'r1');
  k.die('dead-1');
  await k.w.run(100);
  k.stop();
  k.die('dead-2'); // the mesh is closed a moment later
  await k.w.theirs.claim('2000', 'r1');
  await k.w.run(100);
  expect(k.clock.armed).toBe(0);
  const late = keeping();
  let answered = (_: boolean): void => {};
  late.answer = () => new Promise(done => (answered = done));
  await late.w.run(15_100);
  late.stop();
  answered(false);
  await late.w.run(100);
  expect(late.clock.armed).toBe(0);
});
