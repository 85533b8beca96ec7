import type { Json } from '../contract.ts';
import type { ProcessAdvert } from './advert.ts';
import { score } from './score.ts';

/** Whether an agent of that gateway in another process than `process` takes legs. */
export function takesElsewhere(
  processes: Iterable<ProcessAdvert>,
  gateway: string,
  process: string,
): boolean {
  for (const advert of processes)
    if (advert.process !== process && advert.agents.some(agent => score(agent, { gateway }, false) > 0))
      return true;
  return false;
}

/** Where the agents of a gateway are reached that take legs, those of `process` left out: the gladdest first. */
export function siblings(
  processes: Iterable<ProcessAdvert>,
  gateway: string,
  process: string,
  region: string,
): Json[] {
  const found: { readonly reach: Json; readonly score: number }[] = [];
  for (const advert of processes) {
    if (advert.process === process) continue;
    for (const agent of advert.agents) {
      const gladly = score(agent, { gateway }, advert.region === region);
      if (agent.reach !== undefined && gladly > 0) found.push({ reach: agent.reach, score: gladly });
    }
  }
  return found.sort((a, b) => b.score - a.score).map(({ reach }) => reach);
}
