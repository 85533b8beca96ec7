import { Manager, type PlaceAsk } from '../agents/manager.ts';
import { NO_MANAGER } from '../agents/placement.ts';
import type { Candidate, ProcessTable } from '../agents/table.ts';
import type { Bus, Unserve } from '../bus/port.ts';
import type { Clock, Json } from '../contract.ts';
import { Refusal } from '../kit/refusal.ts';
import { subjects } from './subjects.ts';

/** Names the agent to ask for a leg. Rejects with a Refusal: `no-agent`, `no-manager`, or the bus's. */
export type Choose = (ask: PlaceAsk) => Promise<Candidate>;

/** A manager that does not answer in this time has died with the question: another one is asked. */
const ANSWER_MS = 1000;

/** Answers the fronts that have no manager of their own; several managers share their questions. */
export const serveManager = (bus: Bus, manager: Manager, clock: Clock): Unserve =>
  bus.serve(
    subjects.place,
    ask => choose(manager, ask as unknown as PlaceAsk, clock.now()) as unknown as Json,
  );

/** How this process finds agents: by its own manager, else by any other. */
export function choosing(own: Manager | undefined, table: ProcessTable, bus: Bus, clock: Clock): Choose {
  // A leg that came in by an agent's own door has no choice to be made, and no manager is needed to say so.
  const pinned = new Manager(table);
  return async ask => {
    const near = ask.pin === undefined ? own : pinned;
    if (near !== undefined) return choose(near, ask, clock.now());
    try {
      const chosen = await bus.request(subjects.place, ask as unknown as Json, { timeoutMs: ANSWER_MS });
      return chosen as unknown as Candidate;
    } catch (error) {
      if (error instanceof Refusal && error.why.reason === 'no-responder') throw new Refusal(NO_MANAGER);
      throw error;
    }
  };
}

function choose(manager: Manager, ask: PlaceAsk, now: number): Candidate {
  const chosen = manager.choose(ask, now);
  if ('blame' in chosen) throw new Refusal(chosen);
  return chosen;
}
