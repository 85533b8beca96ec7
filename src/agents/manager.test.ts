import { describe, expect, it } from 'vitest';
import type { AgentAdvert } from './advert.ts';
import { Manager } from './manager.ts';
import { ProcessTable } from './table.ts';

const agent = (id: string, rest: Partial<AgentAdvert> = {}): AgentAdvert => ({
  agent: id,
  gateway: 'sip',
  formats: ['PCMU'],
  capacity: 2,
  legs: 0,
  draining: false,
  ...rest,
});

/** What a caller is told when these are all the agents there are. */
function told(agents: readonly AgentAdvert[], ask: { formats?: string[]; pin?: string } = {}): string {
  const table = new ProcessTable();
  table.note({ v: 1, process: 'p', version: '1', region: 'r', fingerprint: 'f', agents }, 0);
  const chosen = new Manager(table).choose({ leg: 'l', gateway: 'sip', region: 'r', tried: [], ...ask }, 0);
  if (!('blame' in chosen)) throw new Error(`${chosen.advert.agent} was chosen`);
  expect(chosen).toMatchObject({ blame: 'server', reason: 'no-agent' });
  return chosen.text ?? '';
}

describe('why nobody takes a leg is said, and what to do', () => {
  const drained = agent('a', { draining: true });
  const out = agent('b', { outOfService: true });
  const full = agent('c', { legs: 2 });
  it.each([
    ['there is none', [agent('r', { gateway: 'rtmp' })], {}, /^No sip agent is alive: start a process/],
    [
      'all are taken out',
      [drained, out],
      {},
      /^Every sip agent is drained or out of service \(2\): .*"on": false/,
    ],
    ['all are full', [full, full], {}, /^Every sip agent that takes calls is full \(2\): start another/],
    ['the rest is full', [drained, full], {}, /that takes calls is full \(1\)/],
    ['none has the codec', [agent('d')], { formats: ['G729'] }, /^No sip agent handles G729: offer/],
    ['its own door is closed', [drained, agent('d')], { pin: 'a' }, /^Agent a is drained or out of service/],
  ])('%s', (_, agents, ask, words) => expect(told(agents, ask)).toMatch(words));
});
