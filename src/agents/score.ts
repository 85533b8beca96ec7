import type { LegRequest } from '../contract.ts';
import type { AgentAdvert } from './advert.ts';

/** What a placement needs to know of a leg. */
export type Wanted = Pick<LegRequest, 'gateway' | 'formats' | 'pin'>;

/** True: no new legs, whoever asks. */
export const isClosed = (agent: AgentAdvert): boolean => agent.draining || agent.outOfService === true;

/**
 * How gladly an agent takes a leg: 0 = cannot, more is better. Free capacity counts most, so load spreads evenly;
 * the same region beats a freer agent elsewhere. `reserved`: legs on their way to it that it does not speak of yet; they
 * make it less wanted and never impossible, because it may know of some of them already.
 */
export function score(agent: AgentAdvert, wanted: Wanted, sameRegion: boolean, reserved = 0): number {
  if (agent.gateway !== wanted.gateway || isClosed(agent)) return 0;
  if (wanted.pin !== undefined) return wanted.pin === agent.agent ? 1 : 0;
  if (agent.legs >= agent.capacity) return 0;
  const formats = wanted.formats ?? [];
  if (formats.length > 0 && !formats.some(codec => agent.formats.includes(codec))) return 0;
  const free = Math.max(0, 1 - (agent.legs + reserved) / agent.capacity);
  return free + (sameRegion ? 1 : 0) + 0.001;
}
