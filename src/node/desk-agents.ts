import type { AgentAdvert } from '../agents/advert.ts';
import type { Agent, TicketRequest } from '../contract.ts';
import { refuse } from '../kit/refusal.ts';

/** An agent of this process. */
export interface DeskAgent {
  readonly id: string;
  readonly agent: Agent;
  readonly gateway: string;
  draining: boolean;
  outOfService: boolean;
  /** Being taken, up, or being closed. */
  legs: number;
}

/** The agents of this process: which of them take legs, and what is said of them. */
export class DeskAgents {
  readonly #all = new Map<string, DeskAgent>();

  add(id: string, gateway: string, agent: Agent): void {
    this.#all.set(id, { id, agent, gateway, draining: false, outOfService: false, legs: 0 });
  }

  get all(): DeskAgent[] {
    return [...this.#all.values()];
  }

  /** Throws a Refusal. */
  get(id: string): DeskAgent {
    const found = this.#all.get(id);
    if (found === undefined) throw refuse('client', 'no-such-agent', `There is no agent ${id} here.`);
    return found;
  }

  /** One that is to take a leg. Throws a Refusal when it does not. */
  taking(id: string): DeskAgent {
    const found = this.#all.get(id);
    if (found === undefined || found.draining || found.outOfService)
      throw refuse('server', 'draining', `Agent ${id} takes no new legs.`);
    if (found.legs >= found.agent.capacity) throw refuse('server', 'agent-full', `Agent ${id} is full.`);
    return found;
  }

  /** Throws a Refusal where its gateway has no such addresses. */
  ticketUrl(id: string, ask: TicketRequest, token: string): string {
    const { agent, gateway } = this.get(id);
    const url = agent.ticketUrl?.(ask, token);
    if (url === undefined) throw refuse('server', 'no-tickets', `${gateway} agents give out no addresses.`);
    return url;
  }

  /** No new legs on any of them. */
  drainAll(): void {
    for (const agent of this.#all.values()) agent.draining = true;
  }

  adverts(): AgentAdvert[] {
    return this.all.map(({ id, agent, gateway, draining, outOfService, legs }) => ({
      agent: id,
      gateway,
      formats: agent.formats,
      capacity: agent.capacity,
      legs,
      draining,
      ...(outOfService && { outOfService }),
      ...(agent.reach !== undefined && { reach: agent.reach }),
    }));
  }
}

/** Whoever tells of it first, its own process or one that misses it. */
export const downId = (agent: string): string => `down-${agent}`;
