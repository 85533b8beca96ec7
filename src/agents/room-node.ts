import { createHash } from 'node:crypto';
import type { ProcessAdvert } from './advert.ts';

/** Nodes whose rooms differ by less are equally busy: adverts are a second old, and many rooms may come in one. */
const ROOMS_A_STEP = 8;

/**
 * Which process is to host `room`, which nobody hosts: one of this region if there is any, the least busy, and among
 * equals the winner of a rendezvous hash, so that those who ask at the same moment mostly name the same. Who asks first
 * decides, in the store. Undefined: no room node is alive, or all are being emptied.
 */
export function pickRoomNode(
  room: string,
  processes: Iterable<ProcessAdvert>,
  region: string,
): ProcessAdvert | undefined {
  let best: ProcessAdvert | undefined;
  let bestRank: readonly [number, number, string] = [0, 0, ''];
  for (const p of processes) {
    if (p.roomNode === undefined || p.roomNode.draining) continue;
    const weight = createHash('sha256').update(`${room}\0${p.process}`).digest('hex');
    const step = Math.floor(p.roomNode.rooms / ROOMS_A_STEP);
    const rank = [p.region === region ? 0 : 1, step, weight] as const;
    if (best !== undefined && !isBefore(rank, bestRank)) continue;
    best = p;
    bestRank = rank;
  }
  return best;
}

function isBefore(a: readonly [number, number, string], b: readonly [number, number, string]): boolean {
  if (a[0] !== b[0]) return a[0] < b[0];
  return a[1] === b[1] ? a[2] > b[2] : a[1] < b[1];
}
