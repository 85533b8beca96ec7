import { type Millis, NEVER } from '../kit/core.ts';
import type { AgentAdvert, ProcessAdvert } from './advert.ts';
import { score, type Wanted } from './score.ts';

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

  /** A polite goodbye. What it said last; undefined: it was not known. */
  forget(process: string): ProcessAdvert | undefined {
    const known = this.get(process);
    this.#heard.delete(process);
    return known;
  }

  /** Removes the processes that fell silent, and tells what they said last. */
  expire(now: Millis): ProcessAdvert[] {
    const lost: ProcessAdvert[] = [];
    for (const [process, { advert, at }] of this.#heard)
      if (now - at > ADVERT_LOST_MS) {
        this.#heard.delete(process);
        lost.push(advert);
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

  /** Everyone is given the time anew: nothing could be heard for a while, which says nothing about them. */
  forgive(now: Millis): void {
    for (const heard of this.#heard.values()) heard.at = now;
  }

  get(process: string): ProcessAdvert | undefined {
    return this.#heard.get(process)?.advert;
  }

  /** The gladdest agent for what is `wanted` that was not tried yet. `reserved`: legs on their way to an agent. */
  best(
    wanted: Wanted,
    tried: { has(agent: string): boolean },
    region: string,
    reserved: (agent: string) => number = () => 0,
  ): Candidate | undefined {
    let best: Candidate | undefined;
    let bestScore = 0;
    for (const { advert } of this.#heard.values())
      for (const agent of advert.agents) {
        if (agent.gateway !== wanted.gateway || tried.has(agent.agent)) continue;
        const s = score(agent, wanted, advert.region === region, reserved(agent.agent));
        if (s > bestScore) {
          best = { process: advert.process, advert: agent };
          bestScore = s;
        }
      }
    return best;
  }
}
