import type { Bus } from '../bus/port.ts';
import type { Loaded } from '../config.ts';
import type { Clock } from '../contract.ts';
import type { RootLog } from '../ops/log.ts';
import type { Metrics } from '../ops/metrics.ts';
import type { Identity } from './identity.ts';
import type { Relays } from './relays.ts';
import { RoomJournal } from './room-journal.ts';
import { RoomLinks } from './room-links.ts';
import { RoomNode } from './room-node.ts';
import type { RoomStore } from './room-store.ts';

interface Made {
  readonly config: Loaded;
  readonly log: RootLog;
  readonly clock: Clock;
}

/** The rooms of this process, as its config wants them. */
export function createRooms(
  { config, log, clock }: Made,
  process: string,
  bus: Bus,
  store: RoomStore,
): RoomNode {
  const { sessionKeep, banTime, maxRooms, maxParticipants, newRoomsPerMinute } = config.platform.rooms;
  const journal = new RoomJournal(bus.events);
  return new RoomNode({
    process,
    store,
    clock,
    log,
    times: { sessionKeepMs: sessionKeep, banMs: banTime },
    maxRooms,
    maxParticipants,
    newRoomsPerMinute,
    onEvent: (room, event) => {
      journal.note(room, event);
      if (event.type === 'created' || event.type === 'ended') log.info({ room }, `room ${event.type}`);
    },
  });
}

/** And the links to and from those of others. */
export function createLinks(
  { config, clock, log }: Made,
  identity: Identity,
  rooms: RoomNode | undefined,
  metrics: Metrics,
  relays: Relays,
  trusted: (fingerprint: string) => boolean,
): RoomLinks {
  const count = (reason: string): void => metrics.count('link', 'dropped', reason);
  return new RoomLinks({ config: config.platform, identity, rooms, relays, clock, log, trusted, count });
}
