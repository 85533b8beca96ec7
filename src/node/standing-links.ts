import type { ProcessAdvert } from '../agents/advert.ts';
import type { Clock } from '../contract.ts';
import type { LegDesk } from './leg-desk.ts';
import type { Mesh } from './mesh.ts';
import type { RoomLinks } from './room-links.ts';

const EVERY_MS = 1000;
/** One of them may die at the moment it is needed. */
const LINKS = 2;

export interface StandingLinksOptions {
  readonly process: string;
  readonly legs: Pick<LegDesk, 'size'>;
  readonly mesh: Pick<Mesh, 'table'>;
  readonly links: Pick<RoomLinks, 'stand'>;
  readonly clock: Clock;
}

/**
 * A front has no media and needs no link, but without one a front that is cut off from the bus looks like a dead one, and
 * its agents would close its calls. So it keeps links with two room nodes while it signals for legs: they say that it
 * lives. Returns its own undoing.
 */
export function standingLinks({ process, legs, mesh, links, clock }: StandingLinksOptions): () => void {
  let disarm = (): void => {};
  const look = (): void => {
    disarm = clock.at(clock.now() + EVERY_MS, look);
    if (legs.size === 0) return;
    const nodes = [...mesh.table.processes()].filter(p => p.process !== process && isReachable(p));
    nodes.sort((a, b) => (a.process < b.process ? -1 : 1)); // all fronts the same: few links
    for (const node of nodes.slice(0, LINKS)) links.stand(node);
  };
  look();
  return () => disarm();
}

/** A node of this process alone has no port. */
const isReachable = ({ roomNode }: ProcessAdvert): boolean =>
  roomNode !== undefined && roomNode.tlsPort !== 0 && !roomNode.draining;
