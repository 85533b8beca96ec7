import type { Bus } from '../bus/port.ts';
import type { Clock, Log } from '../contract.ts';
import type { Mesh } from './mesh.ts';
import type { RoomFinder } from './room-finder.ts';
import type { RoomNode } from './room-node.ts';
import type { RoomStore } from './room-store.ts';

/**
 * How long the rooms of a dead process are left to those who come back to them; then somebody sees to the others. Long
 * enough for a process that was only cut off from the bus, and still has its legs.
 */
const ADOPT_AFTER_MS = 15_000;
/** How long a room whose key names this process is left to whoever named it here, or was in it when it was handed over. */
const UNOPENED_MS = 15_000;

/**
 * What a room node does beside its rooms: looks after its keys when the store is back, after the rooms of the dead, and
 * after those that were given to it and to which nobody came.
 */
export function keepRooms(o: {
  readonly process: string;
  readonly store: RoomStore;
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
  /** Rooms that are to be opened here, by the word of their key. */
  const unopened = new Map<string, () => void>();
  const openLater = (word: string, room: string): void => {
    const disarm = o.clock.at(o.clock.now() + UNOPENED_MS, () => {
      unopened.delete(word);
      // The store is away: in a while.
      o.rooms.unopened(room).catch(() => unopened.has(word) || openLater(word, room));
    });
    unopened.set(word, disarm);
  };
  const unwatch = o.store.watchHosts((word, claim) => {
    unopened.get(word)?.();
    unopened.delete(word);
    if (claim?.node === o.process && o.rooms.get(claim.room) === undefined) openLater(word, claim.room);
  });
  o.mesh.onLost(adoptLater);
  adoptLater('');
  const unstate = o.bus.onState(state => {
    if (state === 'up') void o.rooms.verify();
  });
  return () => {
    for (const disarm of [...recent.values(), ...unopened.values()]) disarm();
    unwatch();
    unstate();
  };
}
