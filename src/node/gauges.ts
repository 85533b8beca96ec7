import type { Metrics } from '../ops/metrics.ts';
import type { AgentDesk } from './agent-desk.ts';
import type { LegDesk } from './leg-desk.ts';
import type { Mesh } from './mesh.ts';
import type { Relays } from './relays.ts';
import type { RoomLinks } from './room-links.ts';
import type { RoomNode } from './room-node.ts';

interface Gauged {
  readonly metrics: Metrics;
  readonly rooms: Pick<RoomNode, 'size' | 'summaries'> | undefined;
  readonly desk: Pick<AgentDesk, 'size' | 'adverts'>;
  readonly legs: Pick<LegDesk, 'size'>;
  readonly relays: Pick<Relays, 'stats'>;
  readonly links: Pick<RoomLinks, 'linked' | 'slowestMs'>;
  readonly mesh: Pick<Mesh, 'table'>;
}

/** What `GET /metrics` tells of the state of this process. */
export function addGauges({ metrics, rooms, desk, legs, relays, links, mesh }: Gauged): void {
  const number = (read: () => number) => () => [{ value: read() }];
  metrics.gauge(
    'rooms',
    'Rooms this process hosts now.',
    number(() => rooms?.size ?? 0),
  );
  metrics.gauge(
    'participants',
    'Members of the rooms this process hosts, those that are away too.',
    number(() => rooms?.summaries().reduce((sum, r) => sum + r.participants, 0) ?? 0),
  );
  metrics.gauge(
    'legs',
    'Legs the agents of this process hold now.',
    number(() => desk.size),
  );
  metrics.gauge(
    'calls',
    'Legs the fronts of this process asked for and that live now.',
    number(() => legs.size),
  );
  metrics.gauge(
    'router_relayed_datagrams',
    'Datagrams this process relayed, and those of them sent by two paths.',
    () => [
      { labels: { how: 'all' }, value: relays.stats.relayed },
      { labels: { how: 'twice' }, value: relays.stats.twice },
    ],
    ['how'],
  );
  metrics.gauge(
    'router_relayed_bytes',
    'Bytes this process relayed.',
    number(() => relays.stats.relayedBytes),
  );
  metrics.gauge(
    'router_bindings',
    'Clients bound at the router of this process now.',
    number(() => relays.stats.bindings),
  );
  agentGauges(metrics, desk);
  metrics.gauge(
    'processes',
    'Processes of the system that are heard on the bus, as the process that hears most of them knows.',
    number(() => [...mesh.table.processes()].length),
    [],
    'max',
  );
  metrics.gauge(
    'processes_cut_off',
    'Processes silent on the bus whose links stand: their calls go on, and nothing new is placed there.',
    number(() => mesh.table.cutOff),
    [],
    'max',
  );
  metrics.gauge(
    'links',
    'Links (aRTP) of this process with others; each is counted at both its ends.',
    number(() => links.linked.size),
  );
  metrics.gauge(
    'link_slowest_rtt_ms',
    'Round trip of the slowest link, milliseconds.',
    () => (links.slowestMs === undefined ? [] : [{ value: Math.round(links.slowestMs * 10) / 10 }]),
    [],
    'max',
  );
}

/** By gateway; what an agent says of itself, as `GET /agents` tells it. */
function agentGauges(metrics: Metrics, desk: Pick<AgentDesk, 'adverts'>): void {
  const per = (value: 'legs' | 'capacity') => () =>
    desk.adverts().map(a => ({ labels: { gateway: a.gateway }, value: a[value] }));
  metrics.gauge('agent_legs', 'Legs the agents of a gateway bear now.', per('legs'), ['gateway']);
  metrics.gauge('agent_capacity_legs', 'Legs they can bear.', per('capacity'), ['gateway']);
  const agents = () =>
    desk.adverts().map(({ gateway, draining, outOfService }) => ({
      labels: { gateway, state: outOfService ? 'out-of-service' : draining ? 'draining' : 'in-service' },
      value: 1,
    }));
  metrics.gauge('agents', 'Agents alive, by what they do with new legs.', agents, ['gateway', 'state']);
}
