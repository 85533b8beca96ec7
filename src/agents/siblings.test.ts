import { expect, test } from 'vitest';
import type { AgentAdvert, ProcessAdvert } from './advert.ts';
import { siblings, takesElsewhere } from './siblings.ts';

const process = (name: string, region: string, ...agents: Partial<AgentAdvert>[]): ProcessAdvert => ({
  v: 1,
  process: name,
  version: '1',
  region,
  fingerprint: name,
  agents: agents.map((agent, i) => ({
    agent: `${name}-${i}`,
    gateway: 'native',
    formats: [],
    capacity: 10,
    legs: 0,
    draining: false,
    reach: `${name}-${i}`,
    ...agent,
  })),
});

test('the other agents that take legs and can be reached: near before far, free before full', () => {
  const processes = [
    process('own', 'a', {}),
    process('far', 'b', {}),
    process('busy', 'a', { legs: 9 }),
    process('free', 'a', { legs: 1 }),
    process('full', 'a', { legs: 10 }),
    process('drained', 'a', { draining: true }, { outOfService: true }),
    process('others', 'a', { gateway: 'sip' }),
  ];
  expect(siblings(processes, 'native', 'own', 'a')).toEqual(['free-0', 'busy-0', 'far-0']);
});

test('whether another process takes legs: its own do not count, nor do full or emptied ones', () => {
  const takes = (...processes: ProcessAdvert[]) => takesElsewhere(processes, 'native', 'own');
  expect(takes(process('own', 'a', {}))).toBe(false);
  expect(takes(process('own', 'a', {}), process('far', 'b', { legs: 9 }))).toBe(true);
  expect(takes(process('full', 'a', { legs: 10 }), process('drained', 'a', { draining: true }))).toBe(false);
  expect(takes(process('others', 'a', { gateway: 'sip' }))).toBe(false);
});
