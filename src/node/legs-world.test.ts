import { describe, expect, it } from 'vitest';
import { seededRandom } from '../kit/random.ts';
import { type LegsNode, LegsWorld } from './legs-world.testing.ts';

describe('several managers', () => {
  it('60 calls of one second, through two managers and two fronts without, are spread evenly over three agents', async () => {
    const random = seededRandom(7);
    const w = new LegsWorld(() => 1 + 8 * random());
    for (const m of ['m1', 'm2']) w.add(m, { manager: true });
    for (const a of ['a1', 'a2', 'a3']) w.add(a, { agent: 100 });
    const fronts = ['f1', 'f2'].map(f => w.add(f, { front: true }));
    await w.run(1500);
    const calls = [];
    for (let n = 0; n < 60; n++) {
      calls.push(fronts[n % 2]?.call(`c${n}`));
      await w.run(1000 / 60, 5);
    }
    await w.run(500);
    await Promise.all(calls);
    for (const legs of w.spread()) expect(Math.abs(legs - 20)).toBeLessThanOrEqual(2);
    expect(w.faults()).toEqual([]);
  });

  it('one dies with a question: the front asks the next, and no leg is lost or doubled', async () => {
    const w = new LegsWorld(() => 5);
    const [m1, m2] = ['m1', 'm2'].map(m => w.add(m, { manager: true }));
    for (const a of ['a1', 'a2']) w.add(a, { agent: 100 });
    const front = w.add('f', { front: true });
    await w.run(1500);
    const calls = Array.from({ length: 10 }, (_, n) => front.call(`c${n}`));
    await w.run(8, 1); // the questions are on their way back
    m1?.kill();
    await w.run(3000);
    const placed = await Promise.all(calls);
    expect(placed.map(c => c.ended)).toEqual(placed.map(() => undefined));
    expect(w.spread().reduce((a, b) => a + b)).toBe(10);
    expect(w.faults()).toEqual([]);
    // And when the last one is gone, calls are refused in words; those that are placed go on.
    m2?.kill();
    const refused = front.call('late');
    await w.run(4000);
    expect((await refused).ended).toMatchObject({ blame: 'server', reason: 'no-manager' });
    expect(w.spread().reduce((a, b) => a + b)).toBe(10);
  });

  it('none is needed where the leg came in by the agent’s own door', async () => {
    const w = new LegsWorld();
    const a = w.add('a', { agent: 10 });
    await w.run(1500);
    const legs = a.legs.place(
      {
        v: 1,
        leg: 'l',
        trace: 'l',
        gateway: 'test',
        direction: 'in',
        room: '1',
        roles: ['send'],
        who: { user: 'u', proof: 'claimed' },
        pin: 'agent-a',
        begin: { type: 'make-offer' },
      },
      () => {},
      new AbortController().signal,
    );
    await w.run(100);
    expect((await legs).agent).toBe('agent-a');
  });
});

describe('the bus is away', () => {
  it('for 10 s and everybody: calls go on, nobody is given up, and what was hung up meanwhile ends', async () => {
    const w = new LegsWorld();
    w.add('m', { manager: true });
    const a = w.add('a', { agent: 10 });
    const f = w.add('f', { front: true });
    await w.run(1500);
    const calls = [f.call('c1'), f.call('c2'), f.call('c3')];
    await w.run(500);
    const [c1, c2, c3] = await Promise.all(calls);
    const lost: string[] = [];
    for (const n of w.nodes) n.mesh.onLost(p => void lost.push(p));
    for (const n of w.nodes) n.end.become('cut');
    await w.run(5000);
    if (c1) f.hangUp(c1);
    a.agent?.drop('f-c2');
    const refused = f.call('while away');
    await w.run(5000);
    expect((await refused).ended).toMatchObject({ reason: 'bus-down' });
    for (const n of w.nodes) n.end.become('up');
    await w.run(3000);
    expect(lost).toEqual([]);
    expect(c3?.ended).toBeUndefined();
    expect(c2?.ended).toMatchObject({ reason: 'leg-ended-unheard' });
    expect(w.spread()).toEqual([1]);
    expect(w.faults()).toEqual([]);
  });

  it('for the manager alone, and it does not know: agents are placed on again when it hears them', async () => {
    const w = new LegsWorld();
    const m = w.add('m', { manager: true });
    w.add('a', { agent: 10 });
    const f = w.add('f', { front: true });
    await w.run(1500);
    const before = f.call('c1');
    await w.run(200);
    m.end.become('silent');
    await w.run(10_000);
    expect((await before).ended).toBeUndefined();
    expect((await before).moves).toBe(0);
    m.end.become('up');
    await w.run(1200);
    const after = f.call('c2');
    await w.run(500);
    expect((await after).ended).toBeUndefined();
    expect(w.faults()).toEqual([]);
  });
});

describe('a leg that is placed twice', () => {
  /** `a` has been chosen for `phone`, `b` comes next. */
  const world = async () => {
    const w = new LegsWorld();
    w.add('m', { manager: true });
    const a = w.add('a', { agent: 20 });
    const b = w.add('b', { agent: 10 });
    const f = w.add('f', { front: true });
    await w.run(1500);
    return { w, a, b, f };
  };

  /** Its yes, and all it says and hears from then on. */
  const loses = ({ agent, end }: LegsNode): void => {
    if (agent !== undefined) agent.taken = () => end.become('silent');
  };

  it('stays with the newer agent when the older one hears of it late', async () => {
    const { w, a, b, f } = await world();
    a.lateMs = 5000;
    const call = f.call('phone');
    await w.run(4000); // `a` was silent for 3 s
    expect([...(b.agent?.ports.keys() ?? [])]).toEqual(['f-phone']);
    await w.run(2000); // and now it sits down
    expect(await call).toMatchObject({ ended: undefined, moves: 0 });
    expect(w.spread()).toEqual([0, 1]);
    expect(w.faults()).toEqual([]);
  });

  it('stays with the newer agent when only the answer of the older one was lost, for 10 s', async () => {
    const { w, a, b, f } = await world();
    loses(a);
    const call = f.call('phone');
    await w.run(4000);
    expect([...(b.agent?.ports.keys() ?? [])]).toEqual(['f-phone']);
    expect(a.agent?.ports.size).toBe(0); // its room has told it
    await w.run(6000);
    a.end.become('up');
    await w.run(3000);
    expect(await call).toMatchObject({ ended: undefined, moves: 0 });
    expect(w.spread()).toEqual([0, 1]);
    expect(w.faults()).toEqual([]);
  });

  it('and no room tells the older one, in a lobby of its own: the two compare, a second after they hear each other', async () => {
    const { w, a, b, f } = await world();
    loses(a);
    const call = f.call('phone', true, 'lobby');
    await w.run(10_000);
    expect([a.agent?.ports.size, b.agent?.ports.size]).toEqual([1, 1]); // nobody can know
    a.end.become('up');
    await w.run(3000);
    expect(await call).toMatchObject({ ended: undefined, moves: 0 });
    expect(w.spread()).toEqual([0, 1]);
    expect(w.faults()).toEqual([]);
    f.hangUp(await call);
    await w.run(500);
    expect(w.spread()).toEqual([0, 0]);
    expect([...w.rooms.keys()]).toEqual([]);
  });

  it('and given back by the older one at once when that is heard again while the next is asked', async () => {
    const { w, a, b, f } = await world();
    b.lateMs = 2500;
    loses(a);
    const call = f.call('phone', true, 'lobby');
    await w.run(500);
    a.end.become('up');
    await w.run(3500);
    expect(a.agent?.ports.size).toBe(0);
    await w.run(2500);
    expect(await call).toMatchObject({ ended: undefined, moves: 0 });
    expect(w.spread()).toEqual([0, 1]);
    expect(w.faults()).toEqual([]);
  });

  it('and nobody takes it in the end: what the silent one has taken is given back', async () => {
    const { w, a, b, f } = await world();
    b.lateMs = 20_000;
    loses(a);
    const call = f.call('phone', true, 'lobby');
    await w.run(12_000);
    expect((await call).ended).toMatchObject({ reason: 'agents-silent' });
    a.end.become('up');
    await w.run(20_000);
    expect(w.spread()).toEqual([0, 0]);
    expect(w.faults()).toEqual([]);
  });
});

describe('out of service', () => {
  it('what can move moves, the rest is ended in words, and nothing new comes until it is back', async () => {
    const w = new LegsWorld();
    w.add('m', { manager: true });
    const a = w.add('a', { agent: 10 });
    const f = w.add('f', { front: true });
    await w.run(1500);
    const calls = [f.call('phone'), f.call('browser', false)];
    await w.run(200);
    const [phone, browser] = await Promise.all(calls);
    const b = w.add('b', { agent: 10 });
    await w.run(1500);
    const retire = (on: boolean) =>
      f.end.request('roombridge.agent.agent-a.out-of-service', { on }, { timeoutMs: 1000 });
    void retire(true);
    await w.run(500);
    expect(phone).toMatchObject({ ended: undefined, moves: 1 });
    expect(browser?.ended).toMatchObject({ reason: 'out-of-service' });
    expect([a.agent?.ports.size, b.agent?.ports.size]).toEqual([0, 1]);
    b.kill();
    await w.run(4000); // nobody is left who would take it
    expect(phone?.ended).toBeDefined();
    void retire(false);
    await w.run(100);
    const again = f.call('again');
    await w.run(200);
    expect((await again).ended).toBeUndefined();
    expect(w.faults()).toEqual([]);
  });

  it('who was asked to move and cannot is ended after 10 s', async () => {
    const w = new LegsWorld();
    w.add('m', { manager: true });
    const a = w.add('a', { agent: 10 });
    const f = w.add('f', { front: true });
    await w.run(1500);
    const call = f.call('phone');
    await w.run(200);
    const { leg } = await call;
    // A front that does not move it: the word is lost.
    f.end.become('silent');
    void a.end.request('roombridge.agent.agent-a.out-of-service', { on: true }, { timeoutMs: 1000 });
    await w.run(100);
    f.end.become('up');
    expect(a.agent?.ports.has(leg?.id ?? '')).toBe(true);
    await w.run(10_500);
    expect((await call).ended).toMatchObject({ reason: 'out-of-service' });
    expect(w.faults()).toEqual([]);
  });
});

/** What goes wrong between two looks at the books. */
const STEPS = Number(process.env.SIM_STEPS ?? 300);

it(`${STEPS} kills, partitions and delays: no leg, port or seat is lost or kept`, async () => {
  const random = seededRandom(Number(process.env.SIM_SEED ?? 20_261_120));
  const pick = <T>(of: readonly T[]): T | undefined => of[Math.floor(random() * of.length)];
  let slow = false;
  const w = new LegsWorld(() => (slow ? 400 * random() : 1 + 5 * random()));
  let made = 0;
  const seen = { placed: 0, moved: 0 };
  const kinds = { f: 2, m: 2, a: 3 } as const;
  const add = (kind: keyof typeof kinds): void => {
    const doing = kind === 'a' ? { agent: 60 } : kind === 'm' ? { manager: true } : { front: true };
    w.add(`${kind}${made++}`, doing);
  };
  const complete = (): void => {
    for (const kind of ['f', 'm', 'a'] as const)
      while (w.nodes.filter(n => n.name.startsWith(kind)).length < kinds[kind]) add(kind);
  };
  complete();
  await w.run(2000, 50);
  for (let step = 0; step < STEPS; step++) {
    const front = pick(w.nodes.filter(n => n.name.startsWith('f')));
    const room = random() < 0.2 ? 'lobby' : '1000';
    for (let n = 0; n < 3; n++) void front?.call(`c${step}-${n}`, random() < 0.7, room);
    const live = w.nodes.flatMap(n => n.calls.filter(c => c.leg && !c.ended).map(c => ({ n, c })));
    for (const { n, c } of live) if (random() < 0.3) n.hangUp(c);
    const victim = pick(w.nodes);
    const [what, forMs] = [random(), 200 + random() * 8000];
    const agent = pick(w.nodes.filter(n => n.agent !== undefined));
    if (what < 0.25) victim?.kill();
    else if (what < 0.45) victim?.end.become('cut');
    else if (what < 0.65) victim?.end.become('silent');
    else if (what < 0.8) slow = true;
    // What is asked of it comes late; or it falls silent with its yes.
    else if (agent !== undefined && what < 0.9) agent.lateMs = random() * 12_000;
    else if (agent?.agent !== undefined) agent.agent.taken = () => agent.end.become('silent');
    const dropped = pick([...(agent?.agent?.ports.keys() ?? [])]);
    await w.run(forMs / 2, 100);
    for (const { n, c } of live) if (random() < 0.2 && !c.ended) n.hangUp(c);
    if (dropped !== undefined) agent?.agent?.drop(dropped);
    await w.run(forMs / 2, 100);
    slow = false;
    for (const n of w.nodes) {
      n.lateMs = 0;
      if (n.agent !== undefined) n.agent.taken = () => {};
      if (n.end.mode !== 'up') n.end.become('up');
    }
    complete();
    // Both sides compare what they hold every 15 s, and what is being placed or closed has its times.
    await w.run(20_000, 500);
    const faults = w.faults();
    if (faults.length > 0) throw new Error(`after step ${step}:\n${faults.join('\n')}`);
    for (const { calls } of w.nodes)
      for (const { leg, moves } of calls) {
        if (leg !== undefined) seen.placed++;
        seen.moved += moves;
      }
    for (const n of w.nodes) n.calls.splice(0, n.calls.length, ...n.calls.filter(c => !c.ended));
  }
  expect(w.nodes).toHaveLength(7);
  // And the calls were there to be lost.
  expect(seen.placed).toBeGreaterThan(2 * STEPS);
  expect(seen.moved).toBeGreaterThan(STEPS / 4);
}, 120_000);
