import type { Agent, Gateway, LegCommand, LegEvent, LegRequest } from '../../src/contract.ts';
import { Events, FakeSeat, fakeHost } from '../harness/fakes.ts';

/** How the suite brings one gateway's agent into a state; what is native to a protocol stays in its entry. */
export interface Subject {
  readonly name: string;
  readonly gateway: Gateway;
  /** A config slice for tests: free ports. */
  readonly config: unknown;
  /** A request its agent accepts; undefined: its legs need a live socket, and `cannot` says which tests cover them. */
  readonly request?: (leg: string) => Promise<LegRequest> | LegRequest;
  /** A second description the agent must answer or refuse, never ignore. */
  readonly again?: () => LegCommand;
  readonly bad?: (leg: string) => LegRequest;
  readonly cannot?: string;
}

export interface Running {
  readonly agent: Agent;
  readonly events: Events;
  readonly seat: FakeSeat;
}

/** Starts a fresh agent of the subject with a fake host. */
export async function startAgent(subject: Subject): Promise<Running> {
  const host = fakeHost();
  const agent = subject.gateway.agent?.(
    host,
    subject.gateway.config.parse(subject.config),
    `${subject.name}-1`,
  );
  if (agent === undefined) throw new Error(`${subject.name} has no agent`);
  await agent.start();
  return { agent, events: new Events(), seat: new FakeSeat() };
}

export const closedEvents = (events: readonly LegEvent[]): LegEvent[] =>
  events.filter(e => e.type === 'closed');
