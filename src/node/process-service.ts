import type { Bus, Unserve } from '../bus/port.ts';
import type { Json, LadderStep, Termination, TrunkState } from '../contract.ts';
import type { DrillView } from '../ops/api/backend.ts';
import type { Metrics } from '../ops/metrics.ts';
import type { PairReport } from '../routing/report.ts';
import type { AgentDesk } from './agent-desk.ts';
import type { CallRecord, DialDesk } from './dial-desk.ts';
import type { DrillDesk } from './drill-desk.ts';
import type { LegRecord } from './held-leg.ts';
import type { Ladders } from './ladders.ts';
import type { LegDesk } from './leg-desk.ts';
import type { Mesh } from './mesh.ts';
import type { Relays } from './relays.ts';
import { subjects } from './subjects.ts';

/** What any process may be asked about itself. */
type ProcessQuestion =
  | { type: 'legs' }
  | { type: 'metrics' }
  | { type: 'calls' }
  | { type: 'cancel-call'; call: string; why: Termination }
  | { type: 'trunks' }
  | { type: 'paths' }
  | { type: 'drills' }
  | { type: 'stop-drill'; drill: string }
  | { type: 'ladder'; leg: string }
  /** Which of these legs it does not signal for; which its agents do not carry. `attempts`: of each, as `TakeAsk` has it. */
  | { type: 'unsignalled' | 'uncarried'; legs: readonly string[]; attempts?: readonly (number | null)[] };

export interface ProcessAnswers {
  readonly desk: AgentDesk;
  readonly dials: DialDesk;
  readonly drills: DrillDesk;
  readonly legs: LegDesk;
  readonly ladders: Ladders;
  readonly metrics: Metrics;
  readonly relays: Pick<Relays, 'reports'>;
}

export function serveProcess(bus: Bus, process: string, o: ProcessAnswers): Unserve {
  return bus.serve(subjects.ask(process), async data => {
    const q = data as unknown as ProcessQuestion;
    switch (q.type) {
      case 'legs':
        return o.desk.records() as unknown as Json;
      case 'metrics':
        return (await o.metrics.json()) as unknown as Json;
      case 'calls':
        return o.dials.calls() as unknown as Json;
      case 'cancel-call':
        return o.dials.cancel(q.call, q.why);
      case 'trunks':
        return o.dials.trunks() as unknown as Json;
      case 'paths':
        return o.relays.reports() as unknown as Json;
      case 'drills':
        return o.drills.list() as unknown as Json;
      case 'stop-drill':
        return o.drills.stop(q.drill);
      case 'ladder':
        return (o.ladders.get(q.leg) ?? []) as unknown as Json;
      case 'unsignalled':
        return o.legs.unknown(q.legs, q.attempts);
      case 'uncarried':
        return o.desk.unknown(q.legs, q.attempts);
    }
  });
}

/** Asks every process the mesh knows, this one too; one that does not answer in time is left out. */
async function askProcesses<T>(mesh: Mesh, bus: Bus, question: ProcessQuestion): Promise<T[]> {
  const answers = [...mesh.table.processes()].map(p =>
    bus.request(subjects.ask(p.process), question as unknown as Json, { timeoutMs: 2000 }),
  );
  const settled = await Promise.allSettled(answers);
  return settled.flatMap(s => (s.status === 'fulfilled' ? [s.value as T] : []));
}

/** Every leg of the system. */
export const allLegs = async (mesh: Mesh, bus: Bus): Promise<LegRecord[]> =>
  (await askProcesses<LegRecord[]>(mesh, bus, { type: 'legs' })).flat();

/** Every call out. */
export const allCalls = async (mesh: Mesh, bus: Bus): Promise<CallRecord[]> =>
  (await askProcesses<CallRecord[]>(mesh, bus, { type: 'calls' })).flat();

/** False when no process has such a call. */
export const cancelCall = async (mesh: Mesh, bus: Bus, call: string, why: Termination): Promise<boolean> =>
  (await askProcesses<boolean>(mesh, bus, { type: 'cancel-call', call, why })).includes(true);

export const allTrunks = async (mesh: Mesh, bus: Bus): Promise<TrunkState[]> =>
  (await askProcesses<TrunkState[]>(mesh, bus, { type: 'trunks' })).flat();

export const allDrills = async (mesh: Mesh, bus: Bus): Promise<DrillView[]> =>
  (await askProcesses<DrillView[]>(mesh, bus, { type: 'drills' })).flat();

/** False when no process has such a drill. */
export const stopDrill = async (mesh: Mesh, bus: Bus, drill: string): Promise<boolean> =>
  (await askProcesses<boolean>(mesh, bus, { type: 'stop-drill', drill })).includes(true);

/** Every path between two routers. */
export const allPaths = async (mesh: Mesh, bus: Bus): Promise<PairReport[]> =>
  (await askProcesses<PairReport[]>(mesh, bus, { type: 'paths' })).flat();

/** Numbers of every process that answers. */
export const allMetrics = (mesh: Mesh, bus: Bus): Promise<object[][]> =>
  askProcesses<object[]>(mesh, bus, { type: 'metrics' });

/** A leg's steps from every process that saw it, in time order; undefined when none did. */
export async function ladderOf(mesh: Mesh, bus: Bus, leg: string): Promise<LadderStep[] | undefined> {
  const steps = (await askProcesses<LadderStep[]>(mesh, bus, { type: 'ladder', leg })).flat();
  return steps.length === 0 ? undefined : steps.sort((a, b) => a.at - b.at);
}
