import { type Millis, NEVER } from '../kit/core.ts';
import type { AgentAdvert, ProcessAdvert } from './advert.ts';
import { score, type Wanted } from './score.ts';

/** How often a process speaks, and how long its silence is borne. */
const ADVERT_EVERY_MS = 1000;
/** All speak at the same quarters of a second: who hears a thousand of them wakes a few times for it, not a thousand times. */
const ADVERT_GRID_MS = 250;
const ADVERT_LOST_MS = 3000;
/** Who is silent for longer is late. */
const ADVERT_LATE_MS = 1500;
/** As long as members are waited for. Who is cut off for longer is given up: nobody can hang up a call it has. */
const CUT_OFF_MS = 120_000;

/** From a clock that others share (Unix time) until the next advert: a second, made longer or shorter by an eighth at most. */
export const untilAdvertMs = (unixMs: Millis): Millis =>
  Math.round((unixMs + ADVERT_EVERY_MS) / ADVERT_GRID_MS) * ADVERT_GRID_MS - unixMs;

export interface Candidate {
  readonly process: string;
  readonly advert: AgentAdvert;
}

/** Who is alive, as last heard: soft state, rebuilt from the adverts within a second. */
export class ProcessTable {
  readonly #heard = new Map<string, { advert: ProcessAdvert; at: Millis }>();
  /** Silent, but another process has a link with them: nothing new goes there, and what they have goes on. */
  readonly #cutOff = new Map<string, { advert: ProcessAdvert; at: Millis }>();

  /** True when it was not known. */
  note(advert: ProcessAdvert, now: Millis): boolean {
    const isNew = !this.#heard.has(advert.process);
    this.#cutOff.delete(advert.process);
    this.#heard.set(advert.process, { advert, at: now });
    return isNew;
  }

  /** A polite goodbye. What it said last; undefined: it was not known. */
  forget(process: string): ProcessAdvert | undefined {
    const known = this.get(process) ?? this.#cutOff.get(process)?.advert;
    this.#heard.delete(process);
    this.#cutOff.delete(process);
    return known;
  }

  /**
   * Removes the processes that fell silent, and tells what they said last. Those of `linked` and those another process
   * has a link with are only set aside, until they are heard again, their links are gone, too, or two minutes have passed.
   */
  expire(now: Millis, linked: ReadonlySet<string> = new Set()): ProcessAdvert[] {
    for (const [process, { advert, at }] of this.#heard)
      if (now - at > ADVERT_LOST_MS) {
        this.#heard.delete(process);
        this.#cutOff.set(process, { advert, at });
      }
    if (this.#cutOff.size === 0) return [];
    const alive = new Set(linked);
    for (const { advert } of this.#heard.values())
      for (const process of advert.hears ?? []) alive.add(process);
    const lost: ProcessAdvert[] = [];
    for (const [process, { advert, at }] of this.#cutOff) {
      if (alive.has(process) && now - at <= CUT_OFF_MS) continue;
      this.#cutOff.delete(process);
      lost.push(advert);
    }
    return lost;
  }

  /** Those of `linked` that have not been heard for longer than they should be silent. */
  late(now: Millis, linked: ReadonlySet<string>): string[] {
    const isLate = (process: string): boolean => {
      const heard = this.#heard.get(process);
      return heard === undefined ? this.#cutOff.has(process) : now - heard.at > ADVERT_LATE_MS;
    };
    return [...linked].filter(isLate);
  }

  /** How many are cut off from the bus, and live. */
  get cutOff(): number {
    return this.#cutOff.size;
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
    for (const { advert } of this.#cutOff.values()) if (advert.fingerprint === fingerprint) return true;
    return false;
  }

  /** Everyone is given the time anew: nothing could be heard for a while, which says nothing about them. */
  forgive(now: Millis): void {
    for (const heard of this.#heard.values()) heard.at = now;
  }

  /** Of one that is heard. */
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
