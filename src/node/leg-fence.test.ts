import { beforeEach, describe, expect, it } from 'vitest';
import { RoomsWorld, type TestNode } from './rooms-world.testing.ts';

/** A leg as its front had it placed: `attempt` 1 at the agent that was silent, 2 at the one that has it now. */
const join = (at: TestNode, attempt: number) => {
  const more = { attempt, outlivesAgent: true as const };
  return at.join('1000', 'leg', 'bob', more);
};

let w: RoomsWorld;
let older: TestNode;
let newer: TestNode;

/** The room is at `r1`; with `local` the agent that was asked first has it in its own process. */
async function world(local: boolean): Promise<void> {
  w = new RoomsWorld();
  const host = await w.add('r1');
  older = local ? host : await w.add('a');
  newer = await w.add('b');
  await w.run(1500);
}

describe.each([
  ['across links', false],
  ['in the process of the room', true],
] as const)('a leg that was placed twice, %s', (_, local) => {
  beforeEach(() => world(local));

  it('is the newer one’s: the older is told, and its end takes nothing along', async () => {
    const first = await join(older, 1);
    const second = await join(newer, 2);
    await w.settle();
    expect(first.told).toMatchObject([{ type: 'close', why: { blame: 'none', reason: 'placed-elsewhere' } }]);
    first.say(1);
    first.leave();
    await w.run(1000);
    expect(second.told).toEqual([]);
    expect(w.members('1000')).toEqual(['bob:here']);
    const listener = await older.join('1000', 'other', 'ann');
    second.say(2);
    await w.settle();
    expect(listener.heard).toEqual([2]);
    expect(w.factsOf('1000').filter(f => f.includes('bob'))).toEqual(['participant.joined bob']);
  });

  it('and the older agent is heard late: it is refused in words, and the newer one hears nothing of it', async () => {
    const second = await join(newer, 2);
    await expect(join(older, 1)).rejects.toMatchObject({
      why: { blame: 'none', reason: 'placed-elsewhere', text: expect.stringContaining('another agent') },
    });
    await w.run(1000);
    expect(second.told).toEqual([]);
    expect(w.members('1000')).toEqual(['bob:here']);
    second.leave();
    await w.run(1000);
    expect(w.hosts('1000')).toEqual([]);
  });
});

describe('an older copy whose link broke', () => {
  beforeEach(() => world(false));

  it('does not take the leg back when it finds the room again', async () => {
    const first = await join(older, 1);
    await w.settle();
    older.unlink('r1');
    const second = await join(newer, 2);
    await w.run(3000); // the older one looks for the room, and is there
    expect(second.told).toEqual([]);
    expect(first.told).toMatchObject([{ type: 'close', why: { reason: 'placed-elsewhere' } }]);
    first.leave();
    await w.run(1000);
    expect(w.members('1000')).toEqual(['bob:here']);
  });

  it('nor in the next process of the room, whoever of the two is there first', async () => {
    const first = await join(older, 1);
    await w.settle();
    older.unlink('r1');
    older.bus.become('cut');
    const second = await join(newer, 2);
    await w.add('r2');
    await w.node('r1').kill();
    await w.run(5000);
    older.bus.become('up');
    await w.run(8000);
    expect(w.hosts('1000')).toEqual(['r2']);
    expect(second.told).toEqual([]);
    expect(first.told).toMatchObject([{ type: 'close', why: { reason: 'placed-elsewhere' } }]);
    expect(w.members('1000')).toEqual(['bob:here']);
  });

  it('while one that was placed once comes back by another link, as ever', async () => {
    const only = await join(older, 1);
    await w.settle();
    older.unlink('r1');
    await w.run(3000);
    expect(only.told).toEqual([]);
    expect(w.members('1000')).toEqual(['bob:here']);
  });
});
