import type { LegRequest } from '../contract.ts';
import { type Millis, NEVER } from '../kit/core.ts';
import type { AgentAdvert, ProcessAdvert } from './advert.ts';
import { score } from './score.ts';

/** How often a process speaks, and how long its silence is borne. */
export const ADVERT_EVERY_MS = 1000;
const ADVERT_LOST_MS = 3000;

export interface Candidate {
  readonly process: string;
  readonly advert: AgentAdvert;
}

/** Who is alive, as last heard: soft state, rebuilt from the adverts within a second. */
export class ProcessTable {
  readonly #heard = new Map<string, { advert: ProcessAdvert; at: Millis }>();

  /** True when it was not known. */
  note(advert: ProcessAdvert, now: Millis): boolean {
    const isNew = !this.#heard.has(advert.process);
    this.#heard.set(advert.process, { advert, at: now });
    return isNew;
  }

  /** A polite goodbye. */
  forget(process: string): boolean {
    return this.#heard.delete(process);
  }

  /** Removes and names the processes that fell silent. */
  expire(now: Millis): string[] {
    const lost: string[] = [];
    for (const [process, { at }] of this.#heard)
      if (now - at > ADVERT_LOST_MS) {
        this.#heard.delete(process);
        lost.push(process);
      }
    return lost;
  }

  get deadline(): Millis {
    let first = NEVER;
    for (const { at } of this.#heard.values()) first = Math.min(first, at + ADVERT_LOST_MS + 1);
    return first;
  }

  *processes(): Iterable<ProcessAdvert> {
    for (const { advert } of this.#heard.values()) yield advert;
  }

  trusts(fingerprint: string): boolean {
    for (const { advert } of this.#heard.values()) if (advert.fingerprint === fingerprint) return true;
    return false;
  }

  /** The gladdest agent for `request` that was not tried yet. */
  best(request: LegRequest, tried: ReadonlySet<string>, region: string): Candidate | undefined {
    let best: Candidate | undefined;
    let bestScore = 0;
    for (const { advert } of this.#heard.values())
      for (const agent of advert.agents) {
        if (tried.has(agent.agent)) continue;
        const s = score(agent, request, advert.region === region);
        if (s > bestScore) {
          best = { process: advert.process, advert: agent };
          bestScore = s;
        }
      }
    return best;
  }
}
