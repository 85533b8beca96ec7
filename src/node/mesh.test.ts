import { expect, it } from 'vitest';
import { silentLog } from '../../test/harness/fakes.ts';
import { VirtualClock } from '../../test/harness/virtual-net.ts';
import type { AgentAdvert, ProcessAdvert } from '../agents/advert.ts';
import { BusEnd } from '../bus/bus-end.testing.ts';
import { inProcessBus } from '../bus/in-process.ts';
import { Mesh } from './mesh.ts';
import { subjects } from './subjects.ts';

/** Two processes, `a` and `b`, and what was said on the bus. */
function world() {
  const clock = new VirtualClock(1000);
  const bus = inProcessBus({
    clock,
    onBug: e => {
      throw e;
    },
    count: () => {},
  });
  const said: ProcessAdvert[] = [];
  bus.subscribe(subjects.advert, data => void said.push(data as unknown as ProcessAdvert));
  /** When each spoke by its own clock. */
  const beats: number[] = [];
  const add = (process: string, skewMs = 0) => {
    const end = new BusEnd(bus, clock, () => 1);
    const told: string[] = [];
    const node = { end, told, legs: 0, skewMs };
    const linked = new Set<string>();
    const agents = (): AgentAdvert[] => [
      { agent: process, gateway: 'sip', formats: [], capacity: 10, legs: node.legs, draining: false },
    ];
    const mesh = new Mesh({
      ...{ process, version: '1', region: 'r', fingerprint: process, bus: end, clock, log: silentLog },
      unixNow: () => {
        const unixMs = clock.now() + node.skewMs;
        beats.push(unixMs);
        return unixMs;
      },
      ...{ agents, roomNode: () => undefined, linked: () => linked },
    });
    mesh.onLost((p, { agents: [agent] }) => void told.push(`lost ${p} with ${agent?.legs}`));
    mesh.onFound(p => void told.push(`found ${p}`));
    mesh.start();
    return { ...node, mesh, node, linked };
  };
  const run = async (ms: number): Promise<void> => {
    for (let left = ms; left > 0; left -= 10) {
      clock.run(Math.min(10, left));
      for (let i = 0; i < 3; i++) await new Promise(resolve => setImmediate(resolve));
    }
  };
  return { add, run, said, beats };
}

it('says what changes at once, what changes soon after together, and knows it itself meanwhile', async () => {
  const w = world();
  const a = w.add('a');
  await w.run(500);
  w.said.length = 0;
  for (let n = 1; n <= 50; n++) {
    a.node.legs = n;
    a.mesh.announce();
    expect(a.mesh.table.get('a')?.agents[0]?.legs).toBe(n);
  }
  await w.run(60);
  expect(w.said.map(s => s.agents[0]?.legs)).toEqual([1, 50]);
});

it('a process that is silent for three seconds is lost, one that says goodbye at once, and it may come back', async () => {
  const w = world();
  const [a, b] = [w.add('a'), w.add('b')];
  b.node.legs = 3;
  await w.run(2000);
  expect(a.told).toEqual(['found b']);
  b.end.become('silent');
  await w.run(4100);
  expect(a.told).toEqual(['found b', 'lost b with 3']);
  b.end.become('up');
  await w.run(1100);
  expect(a.told.at(-1)).toBe('found b');
  b.mesh.close();
  await w.run(20);
  expect(a.told.at(-1)).toBe('lost b with 3');
});

it('nobody is lost to one that does not hear itself, nor in the three seconds after', async () => {
  const w = world();
  const [a, b] = [w.add('a'), w.add('b')];
  await w.run(2000);
  // Cut off without knowing it: to the other it is lost, to it the other is not.
  a.end.become('silent');
  await w.run(30_000);
  expect(a.told).toEqual(['found b']);
  expect(b.told).toEqual(['found a', 'lost a with 0']);
  // While it was away the other died: it has three seconds to be heard, and is missed then.
  b.end.become('dead');
  a.end.become('up');
  await w.run(3000);
  expect(a.told).toEqual(['found b']);
  await w.run(2000);
  expect(a.told).toEqual(['found b', 'lost b with 0']);
});

it('a silent process whose link with another stands is set aside, and lost when the link is gone', async () => {
  const w = world();
  const [front, room, agent] = [w.add('front'), w.add('room'), w.add('agent')];
  room.linked.add('agent');
  const wanted = { gateway: 'sip' };
  const names = (): (string | undefined)[] =>
    [front, room].map(({ mesh }) => mesh.table.get('agent')?.process);
  await w.run(2000);
  expect(w.said.at(-1)).not.toHaveProperty('hears');
  for (const { told } of [front, room]) told.length = 0;

  agent.end.become('silent');
  await w.run(30_000);
  expect([front.told, room.told]).toEqual([[], []]);
  expect(names(), 'nothing new goes there').toEqual([undefined, undefined]);
  expect(front.mesh.table.best(wanted, new Set(['front', 'room']), 'r')).toBeUndefined();
  expect(front.mesh.table.trusts('agent'), 'it may link again').toBe(true);
  agent.end.become('up');
  await w.run(1100);
  expect([front.told, room.told]).toEqual([['found agent'], ['found agent']]);
  expect(names()).toEqual(['agent', 'agent']);
  expect(w.said.filter(s => s.process === 'room').at(-1)).not.toHaveProperty('hears');

  agent.end.become('silent');
  await w.run(10_000);
  room.linked.clear(); // it died meanwhile
  await w.run(250);
  expect([front.told.at(-1), room.told.at(-1)]).toEqual(['lost agent with 0', 'lost agent with 0']);
  expect(front.mesh.table.trusts('agent')).toBe(false);
});

it('whoever spoke for a silent process dies, too: both are lost', async () => {
  const w = world();
  const [front, room, agent] = [w.add('front'), w.add('room'), w.add('agent')];
  room.linked.add('agent');
  await w.run(2000);
  front.told.length = 0;
  agent.end.become('silent');
  await w.run(5000);
  room.end.become('dead');
  await w.run(4100);
  expect(front.told).toEqual(['lost agent with 0', 'lost room with 0']);
});

it('and not for ever', async () => {
  const w = world();
  const [front, room, agent] = [w.add('front'), w.add('room'), w.add('agent')];
  room.linked.add('agent');
  await w.run(2000);
  agent.end.become('silent');
  front.told.length = 0;
  await w.run(118_000);
  expect(front.told).toEqual([]);
  await w.run(3000);
  expect(front.told).toEqual(['lost agent with 0']);
  expect(w.said.filter(s => s.process === 'room').at(-1)).not.toHaveProperty('hears');
});

it('with a link that breaks as it falls silent it is lost as soon as without', async () => {
  const w = world();
  const [front, room, agent] = [w.add('front'), w.add('room'), w.add('agent')];
  room.linked.add('agent');
  await w.run(2000);
  front.told.length = 0;
  agent.end.become('dead');
  room.linked.clear();
  await w.run(3200);
  expect(front.told).toEqual(['lost agent with 0']);
});

it('all speak at the same quarters of a second, whenever they began, and again after a clock was set', async () => {
  const w = world();
  const a = w.add('a', 17);
  w.add('b', -3);
  await w.run(110);
  w.add('c');
  await w.run(2000);
  w.beats.length = 0;
  await w.run(2000);
  expect(w.beats.map(unixMs => unixMs % 250)).toEqual([0, 0, 0, 0, 0, 0]);

  a.node.skewMs = 3_600_123;
  await w.run(2250); // the last that was armed by the old clock is past
  w.beats.length = 0;
  await w.run(5000);
  expect(w.beats.map(unixMs => unixMs % 250)).toEqual(Array(15).fill(0));
  expect(a.told).toEqual(['found b', 'found c']);
});
