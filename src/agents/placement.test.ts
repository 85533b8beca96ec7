import { describe, expect, it } from 'vitest';
import type { LegRequest } from '../contract.ts';
import type { AgentAdvert } from './advert.ts';
import { Placement, type PlacementInput, type PlacementOutput } from './placement.ts';
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
const run = (p: Placement, input: PlacementInput | { type: 'tick' }, now = 0): PlacementOutput[] => {
  p.handle(input, now);
  const outs: PlacementOutput[] = [];
  for (let o: PlacementOutput | undefined; (o = p.poll()); ) outs.push(o);
  return outs;
};
const taken = { participant: 'alice', secret: 's' };
const asked = (outs: PlacementOutput[]) => outs.map(o => (o.type === 'ask' ? o.to.advert.agent : o.type));

describe('placement', () => {
  it('asks the freest agent and is placed there', () => {
    const p = new Placement(REQUEST, table(agent('full', 10), agent('busy', 8), agent('free', 2)), 'r');
    expect(asked(run(p, { type: 'start' }))).toEqual(['free']);
    expect(run(p, { type: 'taken', agent: 'free', taken })).toMatchObject([{ type: 'placed', taken }]);
    expect(p.deadline).toBe(Number.POSITIVE_INFINITY);
  });
  it('asks the next best when one refuses or is silent, and returns a late yes', () => {
    const p = new Placement(REQUEST, table(agent('a'), agent('b', 1), agent('c', 2)), 'r');
    expect(asked(run(p, { type: 'start' }))).toEqual(['a']);
    expect(asked(run(p, { type: 'refused', agent: 'a', why: { blame: 'server', reason: 'x' } }))).toEqual([
      'b',
    ]);
    expect(asked(run(p, { type: 'tick' }, p.deadline))).toEqual(['c']);
    expect(run(p, { type: 'taken', agent: 'b', taken })).toMatchObject([{ type: 'return', agent: 'b' }]);
    expect(run(p, { type: 'refused', agent: 'c', why: { blame: 'server', reason: 'y' } })).toMatchObject([
      { type: 'failed', why: { reason: 'y' } },
    ]);
  });
  it('does not ask further when the caller is to blame', () => {
    const p = new Placement(REQUEST, table(agent('a'), agent('b')), 'r');
    run(p, { type: 'start' });
    expect(
      run(p, { type: 'refused', agent: 'a', why: { blame: 'client', reason: 'room-full' } }),
    ).toMatchObject([{ type: 'failed', why: { reason: 'room-full' } }]);
  });
  it('fails in words when there is no agent', () => {
    expect(run(new Placement(REQUEST, table(), 'r'), { type: 'start' })).toMatchObject([
      { type: 'failed', why: { reason: 'no-agent' } },
    ]);
  });
  it('gives a seat back that came after the caller gave up', () => {
    const p = new Placement(REQUEST, table(agent('a')), 'r');
    run(p, { type: 'start' });
    expect(run(p, { type: 'abort' })).toMatchObject([{ type: 'failed', why: { reason: 'cancelled' } }]);
    expect(run(p, { type: 'taken', agent: 'a', taken })).toMatchObject([{ type: 'return', agent: 'a' }]);
  });
});

describe('score', () => {
  it('is 0 for who cannot: other gateway, full, draining, no common format, not the pinned one', () => {
    for (const a of [agent('a', 10), agent('a', 0, { gateway: 'rtmp' }), agent('a', 0, { draining: true })])
      expect(score(a, REQUEST, true)).toBe(0);
    expect(score(agent('a'), { ...REQUEST, formats: ['opus'] }, true)).toBe(0);
    expect(score(agent('a'), { ...REQUEST, pin: 'b' }, true)).toBe(0);
    expect(score(agent('a', 10), { ...REQUEST, pin: 'a' }, true)).toBeGreaterThan(0);
  });
  it('prefers the own region over a freer agent elsewhere', () => {
    expect(score(agent('a', 9), REQUEST, true)).toBeGreaterThan(score(agent('b', 0), REQUEST, false));
  });
});

describe('the table', () => {
  it('forgets who is silent for three seconds, and names it', () => {
    const t = table(agent('a'), agent('b'));
    t.note({ v: 1, process: 'p-b', version: '1', region: 'r', fingerprint: 'G', agents: [agent('b')] }, 2000);
    expect(t.expire(3001)).toEqual(['p-a']);
    expect(t.expire(3001)).toEqual([]);
    expect(t.trusts('F')).toBe(false);
    expect(t.trusts('G')).toBe(true);
  });
  it('finds the same node for a room everywhere, and the one that has it before any other', () => {
    const node = (process: string, rooms: string[]) => ({
      v: 1 as const,
      process,
      version: '1',
      region: 'r',
      fingerprint: '',
      agents: [],
      roomNode: { host: 'h', tlsPort: 1, udpPort: 2, rooms, draining: false },
    }); // prettier-ignore
    const two = [node('x', []), node('y', [])];
    expect(pickRoomNode('1000', two)).toBe(pickRoomNode('1000', [...two].reverse()));
    const other = pickRoomNode('1000', two)?.process === 'x' ? 'y' : 'x';
    const held = two.map(n => (n.process === other ? node(other, ['1000']) : n));
    expect(pickRoomNode('1000', held)?.process).toBe(other);
  });
});
