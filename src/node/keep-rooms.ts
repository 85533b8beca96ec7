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
/** And what no event tells of: bans that are over. */
const LOOK_EVERY_MS = 3_600_000;
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
  let isOver = false;
  /** Processes that died lately. */
  const recent = new Map<string, () => void>();
  let disarm = (): void => {};
  let lookAt = Number.POSITIVE_INFINITY;
  const look = async (): Promise<void> => {
    const isDone = await o.finder
      .adopt(node => !recent.has(node))
      .catch(error => o.log.warn({ err: error }, 'rooms of dead processes are looked after in a while'));
    if (!isOver) lookIn(isDone === true ? LOOK_EVERY_MS : ADOPT_AFTER_MS);
  };
  const lookIn = (ms: number): void => {
    const when = o.clock.now() + ms;
    if (when >= lookAt) return;
    disarm();
    lookAt = when;
    disarm = o.clock.at(when, () => {
      lookAt = Number.POSITIVE_INFINITY;
      void look();
    });
  };
  const adoptLater = (dead: string): void => {
    if (isOver) return;
    recent.get(dead)?.();
    const over = (): void => {
      recent.delete(dead);
      lookIn(0);
    };
    recent.set(dead, o.clock.at(o.clock.now() + ADOPT_AFTER_MS, over));
  };
  /** Rooms that are to be opened here, by the word of their key. */
  const unopened = new Map<string, () => void>();
  const openLater = (word: string, room: string): void => {
    const disarm = o.clock.at(o.clock.now() + UNOPENED_MS, () => {
      unopened.delete(word);
      // The store is away: in a while.
      o.rooms.unopened(room).catch(() => isOver || unopened.has(word) || openLater(word, room));
    });
    unopened.set(word, disarm);
  };
  const unwatch = o.store.watchHosts((word, claim) => {
    unopened.get(word)?.();
    unopened.delete(word);
    if (claim?.node === o.process && o.rooms.get(claim.room) === undefined) openLater(word, claim.room);
  });
  o.mesh.onLost(adoptLater);
  lookIn(ADOPT_AFTER_MS); // who died before this one began
  const unstate = o.bus.onState(state => {
    if (state === 'up') void o.rooms.verify();
  });
  return () => {
    isOver = true;
    for (const undo of [disarm, ...recent.values(), ...unopened.values()]) undo();
    unwatch();
    unstate();
  };
}
