import type { Bus } from '../bus/port.ts';
import type { Clock, Log } from '../contract.ts';
import type { Mesh } from './mesh.ts';
import type { RoomFinder } from './room-finder.ts';
import type { RoomNode } from './room-node.ts';

/**
 * How long the rooms of a dead process are left to those who come back to them; then somebody sees to the others. Long
 * enough for a process that was only cut off from the bus, and still has its legs.
 */
const ADOPT_AFTER_MS = 15_000;

/** What a room node does beside its rooms: looks after its keys when the store is back, and after the rooms of the dead. */
export function keepRooms(o: {
  readonly rooms: RoomNode;
  readonly finder: RoomFinder;
  readonly mesh: Mesh;
  readonly bus: Bus;
  readonly clock: Clock;
  readonly log: Log;
}): () => void {
  /** Processes that died lately, and one that stands for all that died before this one began. */
  const recent = new Map<string, () => void>();
  const adoptLater = (dead: string): void => {
    recent.get(dead)?.();
    const disarm = o.clock.at(o.clock.now() + ADOPT_AFTER_MS, () => {
      recent.delete(dead);
      o.finder
        .adopt(node => !recent.has(node))
        .catch(error => o.log.warn({ err: error }, 'rooms of dead processes are not looked after now'));
    });
    recent.set(dead, disarm);
  };
  o.mesh.onLost(adoptLater);
  adoptLater('');
  const unstate = o.bus.onState(state => {
    if (state === 'up') void o.rooms.verify();
  });
  return () => {
    for (const disarm of recent.values()) disarm();
    unstate();
  };
}
