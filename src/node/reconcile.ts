import type { Bus } from '../bus/port.ts';
import type { Clock } from '../contract.ts';
import type { AgentDesk } from './agent-desk.ts';
import type { LegDesk } from './leg-desk.ts';
import type { Mesh } from './mesh.ts';
import { subjects } from './subjects.ts';

const EVERY_MS = 15_000;
/** After the bus came back others come back too: they are given a moment. */
const SETTLE_MS = 1000;
const ANSWER_MS = 2000;
/** So that a question stays well below what the bus carries in one message. */
const LEGS_AT_ONCE = 2000;

export interface ReconcileOptions {
  readonly bus: Pick<Bus, 'request' | 'onState'>;
  readonly mesh: Pick<Mesh, 'table' | 'onFound' | 'onHeard'>;
  readonly desk: Pick<AgentDesk, 'owned' | 'disowned' | 'attemptOf'>;
  readonly legs: Pick<LegDesk, 'placed' | 'ended' | 'attemptOf'>;
  readonly clock: Clock;
}

/**
 * Words are lost when the bus is away: a `close`, a `closed`. Both sides of every leg compare what they hold, so that no
 * agent keeps a leg nobody signals for, or that another one has by now, and no front a call nobody carries. Returns its
 * own undoing.
 */
export function reconcile({ bus, mesh, desk, legs, clock }: ReconcileOptions): () => void {
  let disarm = (): void => {};
  const arm = (inMs: number): void => {
    disarm();
    disarm = clock.at(clock.now() + inMs, () => {
      arm(EVERY_MS);
      run();
    });
  };
  /** Asks the living processes which of the legs they do not have. */
  const compare = (
    byProcess: Map<string, string[]>,
    type: 'unsignalled' | 'uncarried',
    attemptOf: (leg: string) => number | undefined,
    missing: (leg: string) => void,
  ): void => {
    for (const [process, held] of byProcess) {
      if (mesh.table.get(process) === undefined) continue; // whoever is lost is seen to elsewhere
      for (let from = 0; from < held.length; from += LEGS_AT_ONCE) {
        const legs = held.slice(from, from + LEGS_AT_ONCE);
        const question = { type, legs, attempts: legs.map(leg => attemptOf(leg) ?? null) };
        bus.request(subjects.ask(process), question, { timeoutMs: ANSWER_MS }).then(
          // A process of another version may not understand the question.
          unknown => Array.isArray(unknown) && (unknown as string[]).forEach(missing),
          () => {}, // next time
        );
      }
    }
  };
  const run = (): void => {
    compare(
      desk.owned(),
      'unsignalled',
      leg => desk.attemptOf(leg),
      leg => desk.disowned(leg),
    );
    compare(
      legs.placed(),
      'uncarried',
      leg => legs.attemptOf(leg),
      leg => legs.ended(leg),
    );
  };
  arm(EVERY_MS);
  mesh.onFound(() => arm(SETTLE_MS));
  mesh.onHeard(() => arm(SETTLE_MS));
  const undo = bus.onState(state => {
    if (state === 'up') arm(SETTLE_MS);
  });
  return () => {
    undo();
    disarm();
  };
}
