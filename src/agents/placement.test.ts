import { describe, expect, it } from 'vitest';
import type { LegRequest } from '../contract.ts';
import type { AgentAdvert } from './advert.ts';
import { Manager } from './manager.ts';
import { NO_MANAGER, Placement, type PlacementInput, type PlacementOutput } from './placement.ts';
import { pickRoomNode } from './room-node.ts';
import { score } from './score.ts';
import { ProcessTable } from './table.ts';

const REQUEST: LegRequest = {
  v: 1,
  leg: 'l',
  trace: 't',
  gateway: 'sip',
  direction: 'in',
  room: '1000',
  roles: ['send', 'receive'],
  who: { user: 'alice', proof: 'claimed' },
  begin: { type: 'make-offer' },
}; // prettier-ignore
const agent = (id: string, legs = 0, more: Partial<AgentAdvert> = {}): AgentAdvert => ({
  agent: id,
  gateway: 'sip',
  formats: ['PCMU'],
  capacity: 10,
  legs,
  draining: false,
  ...more,
}); // prettier-ignore
const table = (...agents: AgentAdvert[]): ProcessTable => {
  const t = new ProcessTable();
  for (const a of agents)
    t.note({ v: 1, process: `p-${a.agent}`, version: '1', region: 'r', fingerprint: 'F', agents: [a] }, 0);
  return t;
};
/** A placement and the manager that names agents to it at once. */
const run = (p: Placement, input: PlacementInput | { type: 'tick' }, now = 0): PlacementOutput[] => {
  p.handle(input, now);
  const outs: PlacementOutput[] = [];
  for (let o: PlacementOutput | undefined; (o = p.poll()); ) outs.push(o);
  return outs;
};
const directed = (
  t: ProcessTable,
): ((p: Placement, input: PlacementInput | { type: 'tick' }, now?: number) => PlacementOutput[]) => {
  const manager = new Manager(t);
  return (p, input, now = 0) => {
    const outs = run(p, input, now);
    const last = outs.at(-1);
    if (last?.type !== 'choose') return outs;
    const { ask, tried } = last;
    const to = manager.choose({ leg: 'l', gateway: 'sip', region: 'r', tried }, now);
    return run(p, 'blame' in to ? { type: 'none', ask, why: to } : { type: 'chosen', ask, to }, now);
  };
};
const taken = { participant: 'alice', secret: 's' };
const asked = (outs: PlacementOutput[]) => outs.map(o => (o.type === 'ask' ? o.to.advert.agent : o.type));

describe('placement', () => {
  it('asks the freest agent and is placed there', () => {
    const go = directed(table(agent('full', 10), agent('busy', 8), agent('free', 2)));
    const p = new Placement('sip');
    expect(asked(go(p, { type: 'start' }))).toEqual(['free']);
    expect(go(p, { type: 'taken', agent: 'free', taken })).toMatchObject([{ type: 'placed', taken }]);
    expect(p.deadline).toBe(Number.POSITIVE_INFINITY);
  });
  it('asks the next best when one refuses or is silent, and returns what the silent one has taken', () => {
    const go = directed(table(agent('a'), agent('b', 1), agent('c', 2)));
    const p = new Placement('sip');
    expect(asked(go(p, { type: 'start' }))).toEqual(['a']);
    expect(asked(go(p, { type: 'refused', agent: 'a', why: { blame: 'server', reason: 'x' } }))).toEqual([
      'b',
    ]);
    p.handle({ type: 'tick' }, p.deadline);
    const why = { blame: 'none', reason: 'placed-elsewhere' };
    expect(p.poll()).toMatchObject({ type: 'return', agent: 'b', why }); // only its answer may be lost
    expect(p.poll()).toEqual({ type: 'choose', ask: 3, tried: ['a', 'b'] });
    p.handle({ type: 'chosen', ask: 3, to: { process: 'p-c', advert: agent('c') } }, 3001);
    expect(p.poll()).toMatchObject({ type: 'ask' });
    expect(go(p, { type: 'taken', agent: 'b', taken })).toMatchObject([{ type: 'return', agent: 'b' }]);
    expect(go(p, { type: 'refused', agent: 'c', why: { blame: 'server', reason: 'y' } })).toMatchObject([
      { type: 'failed', why: { reason: 'y' } },
    ]);
  });
  it('does not ask further when the caller is to blame', () => {
    const go = directed(table(agent('a'), agent('b')));
    const p = new Placement('sip');
    go(p, { type: 'start' });
    expect(
      go(p, { type: 'refused', agent: 'a', why: { blame: 'client', reason: 'room-full' } }),
    ).toMatchObject([{ type: 'failed', why: { reason: 'room-full' } }]);
  });
  it('fails in words when there is no agent, and when none that there is answers', () => {
    expect(directed(table())(new Placement('sip'), { type: 'start' })).toMatchObject([
      { type: 'failed', why: { reason: 'no-agent' } },
    ]);
    const go = directed(table(agent('a')));
    const p = new Placement('sip');
    go(p, { type: 'start' });
    expect(go(p, { type: 'tick' }, p.deadline)).toMatchObject([
      { type: 'failed', why: { reason: 'agents-silent' } },
    ]);
  });
  it('gives a seat back that came after the caller gave up', () => {
    const go = directed(table(agent('a')));
    const p = new Placement('sip');
    go(p, { type: 'start' });
    const why = { reason: 'cancelled' };
    expect(go(p, { type: 'abort' })).toMatchObject([
      { type: 'return', agent: 'a', why },
      { type: 'failed', why },
    ]);
    expect(go(p, { type: 'taken', agent: 'a', taken })).toMatchObject([{ type: 'return', agent: 'a', why }]);
  });
  it('asks another manager when one is silent, takes the first answer of any, and asks the agent once', () => {
    const p = new Placement('sip');
    const [to] = [{ process: 'p-a', advert: agent('a') }];
    expect(run(p, { type: 'start' })).toEqual([{ type: 'choose', ask: 1, tried: [] }]);
    expect(p.deadline).toBe(1000);
    expect(run(p, { type: 'tick' }, 1000)).toEqual([{ type: 'choose', ask: 2, tried: [] }]);
    // The refusal of one that was given up is not heard; its answer is, and then the other's is not.
    expect(run(p, { type: 'none', ask: 1, why: { blame: 'server', reason: 'no-agent' } }, 1100)).toEqual([]);
    expect(asked(run(p, { type: 'chosen', ask: 1, to }, 1200))).toEqual(['a']);
    expect(run(p, { type: 'chosen', ask: 2, to: { process: 'p-b', advert: agent('b') } }, 1300)).toEqual([]);
    expect(run(p, { type: 'taken', agent: 'a', taken }, 1400)).toMatchObject([{ type: 'placed' }]);
  });
  it('fails in words when no manager answers', () => {
    const p = new Placement('sip');
    run(p, { type: 'start' });
    run(p, { type: 'tick' }, 1000);
    run(p, { type: 'tick' }, 2000);
    const outs = run(p, { type: 'tick' }, 3000);
    expect(outs).toMatchObject([{ type: 'failed', why: { blame: 'server', reason: 'no-manager' } }]);
    const [out] = outs as [Extract<PlacementOutput, { type: 'failed' }>];
    expect(out.why.text).toContain('role manager');
    const q = new Placement('sip');
    run(q, { type: 'start' });
    expect(run(q, { type: 'none', ask: 1, why: NO_MANAGER })).toMatchObject([
      { type: 'failed', why: { reason: 'no-manager' } },
    ]);
  });
});

describe('score', () => {
  it('is 0 for who cannot: other gateway, full, draining, no common format, not the pinned one', () => {
    const others = [
      agent('a', 10),
      agent('a', 0, { gateway: 'rtmp' }),
      agent('a', 0, { draining: true }),
      agent('a', 0, { outOfService: true }),
    ];
    for (const a of others) expect(score(a, REQUEST, true)).toBe(0);
    expect(score(agent('a'), { ...REQUEST, formats: ['opus'] }, true)).toBe(0);
    expect(score(agent('a'), { ...REQUEST, pin: 'b' }, true)).toBe(0);
    expect(score(agent('a', 10), { ...REQUEST, pin: 'a' }, true)).toBeGreaterThan(0);
  });
  it('counts legs on their way, which never make an agent impossible', () => {
    expect(score(agent('a', 2), REQUEST, true, 3)).toBeLessThan(score(agent('b', 4), REQUEST, true));
    expect(score(agent('a', 9), REQUEST, true, 5)).toBeGreaterThan(0);
  });
  it('prefers the own region over a freer agent elsewhere', () => {
    expect(score(agent('a', 9), REQUEST, true)).toBeGreaterThan(score(agent('b', 0), REQUEST, false));
  });
});

describe('the table', () => {
  it('forgets who is silent for three seconds, and names it', () => {
    const t = table(agent('a'), agent('b'));
    t.note({ v: 1, process: 'p-b', version: '1', region: 'r', fingerprint: 'G', agents: [agent('b')] }, 2000);
    expect(t.expire(3001).map(a => a.process)).toEqual(['p-a']);
    expect(t.expire(3001)).toEqual([]);
    expect(t.trusts('F')).toBe(false);
    expect(t.trusts('G')).toBe(true);
  });
  describe('the node for a room that nobody hosts', () => {
    const node = (process: string, rooms = 0, more: { region?: string; draining?: boolean } = {}) => ({
      v: 1 as const,
      process,
      version: '1',
      region: more.region ?? 'r',
      fingerprint: '',
      agents: [],
      roomNode: {
        host: 'h',
        tlsPort: 1,
        udpPort: 2,
        rooms,
        draining: more.draining ?? false,
      },
    });
    const pick = (...nodes: ReturnType<typeof node>[]) => pickRoomNode('1000', nodes, 'r')?.process;

    it('is the same everywhere among equals, and rooms are spread over them', () => {
      const two = [node('x', 1), node('y', 3)];
      expect(pick(...two)).toBe(pick(...two.reverse()));
      const of = new Set(Array.from({ length: 50 }, (_, i) => pickRoomNode(`${i}`, two, 'r')?.process));
      expect([...of].sort()).toEqual(['x', 'y']);
    });
    it('is the least busy of this region, else of another', () => {
      expect(pick(node('x', 80), node('y', 20), node('z', 0, { region: 'far' }))).toBe('y');
      expect(pick(node('z', 0, { region: 'far' }))).toBe('z');
    });
    it('is none that is being emptied', () => {
      expect(pick(node('x', 80), node('y', 0, { draining: true }))).toBe('x');
      expect(pick(node('y', 0, { draining: true }))).toBeUndefined();
    });
  });
});

describe('managers', () => {
  /** Calls a second, over so many managers that see adverts `lagMs` late; how many each agent ends up with. */
  const spread = (managers: number, lagMs: number, capacities: readonly number[]): number[] => {
    const legs = capacities.map(() => 0);
    const tables = Array.from({ length: managers }, () => new ProcessTable());
    const all = tables.map(t => new Manager(t));
    const later: { at: number; tell: () => void }[] = [];
    const announce = (n: number, now: number): void => {
      const advert = agent(`a${n}`, legs[n], { capacity: capacities[n] as number });
      for (const t of tables)
        later.push({
          at: now + lagMs,
          tell: () =>
            t.note(
              { v: 1, process: `p${n}`, version: '1', region: 'r', fingerprint: 'F', agents: [advert] },
              now,
            ),
        });
    };
    const deliver = (now: number): void => {
      for (const message of later.splice(0)) message.at <= now ? message.tell() : later.push(message);
    };
    capacities.forEach((_, n) => {
      announce(n, -1000);
    });
    for (let call = 0; call < 60; call++) {
      const now = (call * 1000) / 60;
      deliver(now);
      const manager = all[call % managers] as Manager;
      const to = manager.choose({ leg: `l${call}`, gateway: 'sip', region: 'r', tried: [] }, now);
      if ('blame' in to) throw new Error(to.text);
      const n = Number(to.advert.agent.slice(1));
      legs[n] = (legs[n] as number) + 1;
      announce(n, now);
    }
    return legs;
  };
  it.each([
    [1, 0],
    [1, 50],
    [1, 900],
    [2, 0],
    [2, 50],
    [2, 200],
    [3, 100],
  ])(
    '%i of them spread 60 calls of one second evenly over three agents, hearing of each %i ms late',
    (managers, lagMs) => {
      for (const count of spread(managers, lagMs, [100, 100, 100])) {
        expect(count).toBeGreaterThanOrEqual(18);
        expect(count).toBeLessThanOrEqual(22);
      }
    },
  );
  it('fill agents to the last place', () => {
    expect(spread(2, 10, [20, 20, 20])).toEqual([20, 20, 20]);
  });
  it('place in the region of who asks while it has room, then elsewhere, and nowhere when all is out', () => {
    const t = new ProcessTable();
    const note = (process: string, region: string, agents: AgentAdvert[]): boolean =>
      t.note({ v: 1, process, version: '1', region, fingerprint: 'F', agents }, 0);
    note('e', 'eu', [agent('eu', 9), agent('eu-out', 0, { outOfService: true })]);
    note('u', 'us', [agent('us')]);
    const manager = new Manager(t);
    const from = (region: string): string => {
      const to = manager.choose({ leg: 'l', gateway: 'sip', region, tried: [] }, 0);
      return 'blame' in to ? to.reason : to.advert.agent;
    };
    expect([from('eu'), from('us')]).toEqual(['eu', 'us']);
    note('e', 'eu', [agent('eu', 10)]);
    expect(from('eu')).toBe('us');
    note('u', 'us', [agent('us', 0, { draining: true })]);
    expect(from('eu')).toBe('no-agent');
  });
  it('forget what they have given away after a second', () => {
    const manager = new Manager(table(agent('a', 0, { capacity: 100 }), agent('b', 3, { capacity: 100 })));
    const choose = (leg: number, now: number): string => {
      const to = manager.choose({ leg: `l${leg}`, gateway: 'sip', region: 'r', tried: [] }, now);
      return 'blame' in to ? to.reason : to.advert.agent;
    };
    const first = [0, 1, 2, 3, 4].map(n => choose(n, 0));
    expect(first).toEqual(['a', 'a', 'a', 'a', 'b']);
    expect(choose(5, 999)).not.toBe('x');
    expect([6, 7, 8].map(n => choose(n, 2000))).toEqual(['a', 'a', 'a']);
  });
});
