import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import type { AgentAdvert } from '../agents/advert.ts';
import { ProcessTable } from '../agents/table.ts';
import { Metrics } from '../ops/metrics.ts';
import { addGauges } from './gauges.ts';

const agent = (gateway: string, rest: Partial<AgentAdvert> = {}): AgentAdvert => ({
  agent: `${gateway}-p`,
  gateway,
  formats: [],
  capacity: 100,
  legs: 3,
  draining: false,
  ...rest,
});

const gauged = (agents: readonly AgentAdvert[], slowestMs: number | undefined): Metrics => {
  const metrics = new Metrics();
  addGauges({
    metrics,
    rooms: undefined,
    desk: { size: 3, adverts: () => [...agents] },
    legs: { size: 2 },
    relays: { stats: { relayed: 0, relayedBytes: 0, twice: 0, bindings: 0 } },
    links: { linked: new Set(['q']), slowestMs },
    mesh: { table: new ProcessTable() },
  });
  return metrics;
};

test('agents, links and processes are told, and several processes are one text', async () => {
  const all = [
    gauged([agent('sip'), agent('rtmp', { draining: true })], 12.5),
    gauged([agent('sip', { outOfService: true, legs: 0 })], undefined),
  ];
  const text = await Metrics.merge(await Promise.all(all.map(m => m.json())));
  for (const line of [
    'roombridge_agents{gateway="sip",state="in-service"} 1',
    'roombridge_agents{gateway="sip",state="out-of-service"} 1',
    'roombridge_agents{gateway="rtmp",state="draining"} 1',
    'roombridge_agent_legs{gateway="sip"} 3',
    'roombridge_agent_capacity_legs{gateway="sip"} 200',
    'roombridge_links 2',
    'roombridge_link_slowest_rtt_ms 12.5',
    'roombridge_processes_cut_off 0',
  ])
    expect(text).toContain(`${line}\n`);
});

test('docs/metrics.md has every number there is', async () => {
  const page = readFileSync(new URL('../../docs/metrics.md', import.meta.url), 'utf8');
  const text = await gauged([], undefined).text();
  for (const [, name] of text.matchAll(/^# HELP (\S+)/gm)) expect(page, name).toContain(`\`${name}`);
});
