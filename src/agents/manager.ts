import type { Termination } from '../contract.ts';
import type { Millis } from '../kit/core.ts';
import type { AgentAdvert } from './advert.ts';
import { isClosed, type Wanted } from './score.ts';
import type { Candidate, ProcessTable } from './table.ts';

/** What a front asks a manager. */
export interface PlaceAsk extends Wanted {
  readonly leg: string;
  /** Of who asks. */
  readonly region: string;
  /** Agents that refused this leg, or were silent. */
  readonly tried: readonly string[];
}

/** A reservation speaks for a leg until its agent does: adverts come at once when their load changes. */
const RESERVED_MS = 1000;
const MAX_RESERVATIONS = 100_000;

interface Reservation {
  readonly leg: string;
  readonly agent: string;
  readonly until: Millis;
}

/**
 * Chooses an agent for each leg, from what it has heard and what it has given away in the last second. Holds nothing that
 * would be lost with it: the agent is the authority on itself, and there may be many managers.
 */
export class Manager {
  readonly #table: ProcessTable;
  /** The oldest first. */
  readonly #reservations: Reservation[] = [];
  readonly #reserved = new Map<string, number>();

  constructor(table: ProcessTable) {
    this.#table = table;
  }

  /** The agent to ask. */
  choose(ask: PlaceAsk, now: Millis): Candidate | Termination {
    this.#expire(now);
    const tried = new Set(ask.tried);
    const best = this.#table.best(ask, tried, ask.region, agent => this.#reserved.get(agent) ?? 0);
    if (best === undefined) return noAgent(ask, this.#table);
    this.#reserve({ leg: ask.leg, agent: best.advert.agent, until: now + RESERVED_MS });
    return best;
  }

  #reserve(reservation: Reservation): void {
    if (this.#reservations.length >= MAX_RESERVATIONS) this.#release(this.#reservations.shift());
    this.#reservations.push(reservation);
    const { agent } = reservation;
    this.#reserved.set(agent, (this.#reserved.get(agent) ?? 0) + 1);
  }

  #release(reservation: Reservation | undefined): void {
    if (reservation === undefined) return;
    const left = (this.#reserved.get(reservation.agent) ?? 0) - 1;
    if (left > 0) this.#reserved.set(reservation.agent, left);
    else this.#reserved.delete(reservation.agent);
  }

  #expire(now: Millis): void {
    const first = this.#reservations.findIndex(r => r.until > now);
    const gone = this.#reservations.splice(0, first < 0 ? this.#reservations.length : first);
    for (const reservation of gone) this.#release(reservation);
  }
}

/** Why nobody can take this leg, as far as adverts tell, and what to do about it. */
export const noAgent = (wanted: Wanted, table: Pick<ProcessTable, 'processes'>): Termination => ({
  blame: 'server',
  reason: 'no-agent',
  text: whyNone(
    wanted,
    [...table.processes()].flatMap(p => p.agents).filter(a => a.gateway === wanted.gateway),
  ),
});

function whyNone({ gateway, formats = [], pin }: Wanted, agents: readonly AgentAdvert[]): string {
  const open = agents.filter(a => !isClosed(a));
  const free = open.filter(a => a.legs < a.capacity);
  if (pin !== undefined && agents.some(a => a.agent === pin))
    return `Agent ${pin} is drained or out of service: come in by another one, or ${BACK}.`;
  if (agents.length === 0) return `No ${gateway} agent is alive: start a process with --roles agent.`;
  if (open.length === 0)
    return `Every ${gateway} agent is drained or out of service (${agents.length}): start another, or ${BACK}.`;
  if (free.length === 0)
    return `Every ${gateway} agent that takes calls is full (${open.length}): start another, or wait for calls to end.`;
  if (!free.some(a => formats.some(codec => a.formats.includes(codec))) && formats.length > 0)
    return `No ${gateway} agent handles ${formats.join(', ')}: offer a codec they have (GET /api/v1/agents).`;
  return `No ${gateway} agent is left to ask: start another, or wait for calls to end.`;
}

const BACK = 'take one back (POST /api/v1/agents/{agent}/drain or out-of-service with {"on": false})';
