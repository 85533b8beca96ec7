import { expect, it } from 'vitest';
import { refuse } from '../kit/refusal.ts';
import { RoomsWorld, type TestLeg } from './rooms-world.testing.ts';

const RUNS = Number(process.env.CHAOS_RUNS ?? 25);
const STEPS = 40;
const ROOMS = ['1', '2', '3'];

/** Numerical Recipes' generator: the same run for the same seed. */
function random(seed: number): (n: number) => number {
  let state = seed;
  return n => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * n);
  };
}

interface Member {
  readonly room: string;
  readonly leg: TestLeg;
  readonly process: string;
}

/**
 * Room nodes are killed, cut off and replaced, links break, members come and go, at random. Whenever all is quiet again:
 * one process hosts a room, every member that is there is in it under the name it had, and nobody twice.
 */
it.each(Array.from({ length: RUNS }, (_, i) => i + 1))(
  'no member is lost and no room is doubled, seed %i',
  async seed => {
    const w = new RoomsWorld();
    const pick = random(seed);
    let made = 0;
    for (const name of ['r1', 'r2', 'r3', 'a', 'b']) await w.add(name);
    let nodes = 3;
    const members: Member[] = [];
    const living = () => w.nodes.filter(n => !n.dead);
    const hosts = () => living().filter(n => n.rooms !== undefined);
    const join = async (): Promise<void> => {
      const from = living().filter(n => n.rooms === undefined)[pick(2)];
      const room = ROOMS[pick(ROOMS.length)] as string;
      if (from === undefined) return;
      const joining = from.join(room, `leg${++made}`, ['ann', 'bob'][pick(2)] as string).catch(e => e);
      await w.run(1000);
      const leg = await Promise.race([joining, Promise.resolve(refuse('server', 'slow', ''))]);
      if ('told' in leg) members.push({ room, leg, process: from.process });
      else void joining.then(late => 'leave' in late && late.leave());
    };
    const heal = async (): Promise<void> => {
      for (const n of living()) if (n.bus.mode === 'cut') n.bus.become('up');
      await w.run(6000);
      const there = members.filter(m => m.leg.told.every(n => n.type !== 'close'));
      for (const room of ROOMS) {
        const expected = there.filter(m => m.room === room).map(m => m.leg.participant);
        expect(new Set(expected).size, 'names are unique').toBe(expected.length);
        if (expected.length > 0) expect(w.hosts(room), `room ${room} has one host`).toHaveLength(1);
        const here = w.members(room).filter(m => m.endsWith(':here'));
        expect(here.sort(), `room ${room}`).toEqual(expected.map(p => `${p}:here`).sort());
      }
      for (const m of members)
        for (const n of m.leg.told)
          expect(n, 'only legs of lost rooms are closed').toMatchObject({ why: { reason: 'room-lost' } });
      members.splice(0, members.length, ...there);
    };
    for (let step = 0; step < STEPS; step++) {
      switch (pick(9)) {
        case 0: {
          if (hosts().length > 1) await (hosts()[pick(hosts().length)] as (typeof w.nodes)[0]).kill();
          break;
        }
        case 1:
          if (hosts().length < 4) await w.add(`r${++nodes}`);
          break;
        case 2: {
          const node = hosts()[pick(hosts().length)];
          if (node?.bus.mode === 'up' && hosts().filter(n => n.bus.mode === 'up').length > 1)
            node.bus.become('cut');
          break;
        }
        case 3:
          living()[pick(living().length)]?.unlink(hosts()[pick(hosts().length)]?.process ?? '');
          break;
        case 4: {
          const [gone] = members.splice(pick(members.length + 1), 1);
          gone?.leg.leave();
          break;
        }
        case 5:
          await heal();
          break;
        default:
          await join();
      }
      await w.run(pick(2000));
    }
    await heal();
    for (const m of members) m.leg.leave();
    await w.run(200_000);
    expect(ROOMS.flatMap(room => w.hosts(room))).toEqual([]);
    expect(w.bugs).toEqual([]);
  },
);
