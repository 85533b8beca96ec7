import type { LegRequest } from '../contract.ts';
import type { AgentAdvert } from './advert.ts';

/**
 * How gladly an agent takes a leg: 0 = cannot, more is better. Free capacity counts most, so load spreads evenly;
 * the same region beats a freer agent elsewhere.
 */
export function score(agent: AgentAdvert, request: LegRequest, sameRegion: boolean): number {
  if (agent.gateway !== request.gateway) return 0;
  if (request.pin !== undefined) return request.pin === agent.agent && !agent.draining ? 1 : 0;
  if (agent.draining || agent.legs >= agent.capacity) return 0;
  const wanted = request.formats ?? [];
  if (wanted.length > 0 && !wanted.some(codec => agent.formats.includes(codec))) return 0;
  const free = 1 - agent.legs / agent.capacity;
  return free + (sameRegion ? 1 : 0) + 0.001;
}
