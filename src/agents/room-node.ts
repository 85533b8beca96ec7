import { createHash } from 'node:crypto';
import type { ProcessAdvert } from './advert.ts';

/**
 * Which process hosts `room`: the one that says it does; else the winner of a rendezvous hash, which every process
 * computes alike as long as it knows the same room nodes.
 */
export function pickRoomNode(room: string, processes: Iterable<ProcessAdvert>): ProcessAdvert | undefined {
  let best: ProcessAdvert | undefined;
  let bestWeight = '';
  for (const p of processes) {
    if (p.roomNode === undefined) continue;
    if (p.roomNode.rooms.includes(room)) return p;
    const weight = createHash('sha256').update(`${room}\0${p.process}`).digest('hex');
    if (best === undefined || weight > bestWeight) {
      best = p;
      bestWeight = weight;
    }
  }
  return best;
}
