import type { Metrics } from '../ops/metrics.ts';
import type { AgentDesk } from './agent-desk.ts';
import type { LegDesk } from './leg-desk.ts';
import type { Relays } from './relays.ts';
import type { RoomNode } from './room-node.ts';

interface Gauged {
  readonly metrics: Metrics;
  readonly rooms: RoomNode | undefined;
  readonly desk: AgentDesk;
  readonly legs: LegDesk;
  readonly relays: Relays;
}

/** What `GET /metrics` tells of the state of this process. */
export function addGauges({ metrics, rooms, desk, legs, relays }: Gauged): void {
  const number = (read: () => number) => () => [{ value: read() }];
  metrics.gauge(
    'rooms',
    'Rooms this process hosts now.',
    number(() => rooms?.size ?? 0),
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
}
