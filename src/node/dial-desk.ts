import type { Bus, Unserve } from '../bus/port.ts';
import type { Dialled, DialRequest, DialStep, Front, Json, Termination, TrunkState } from '../contract.ts';
import { refuse } from '../kit/refusal.ts';
import { subjects } from './subjects.ts';

/** A call out as the API tells it. */
export interface CallRecord {
  readonly call: string;
  readonly room: string;
  readonly to: string;
  readonly leg: string;
  readonly state: DialStep['state'];
  readonly status?: number;
  readonly text: string;
  /** Unix ms. */
  readonly openedAt: number;
  readonly steps: readonly DialStep[];
}

interface Held {
  readonly ask: DialRequest;
  readonly openedAt: number;
  readonly steps: DialStep[];
  dialled: Dialled | undefined;
}

/** The newest calls are remembered after their end: somebody wants to know why. */
const MAX_CALLS = 1000;
const MAX_STEPS = 100;

/** The calls out of this process: asked for by whoever serves the API, made by a front that can dial. */
export class DialDesk {
  readonly #bus: Bus;
  readonly #fronts: Front[] = [];
  readonly #calls = new Map<string, Held>();
  #unserve: Unserve | undefined;

  constructor(bus: Bus) {
    this.#bus = bus;
  }

  add(front: Front): void {
    this.#fronts.push(front);
    if (front.dial === undefined) return;
    this.#unserve ??= this.#bus.serve(
      subjects.dial,
      async data => (await this.#dial(data as unknown as DialRequest)) as unknown as Json,
    );
  }

  calls(): CallRecord[] {
    return [...this.#calls.values()].map(recordOf);
  }

  /** False when there is no such call here. */
  cancel(call: string, why: Termination): boolean {
    const held = this.#calls.get(call);
    held?.dialled?.cancel(why);
    return held !== undefined;
  }

  trunks(): TrunkState[] {
    return this.#fronts.flatMap(f => f.trunks?.() ?? []);
  }

  /** No new calls. */
  close(): void {
    this.#unserve?.();
    this.#unserve = undefined;
  }

  async #dial(ask: DialRequest): Promise<CallRecord> {
    const front = this.#fronts.find(f => f.dial !== undefined);
    if (front?.dial === undefined) throw refuse('server', 'no-front', 'No front here can call out.');
    const held: Held = { ask, openedAt: Date.now(), steps: [], dialled: undefined };
    held.dialled = await front.dial(ask, step => {
      if (held.steps.length < MAX_STEPS || step.state === 'ended') held.steps.push(step);
    });
    if (this.#calls.size >= MAX_CALLS) this.#forgetOne();
    this.#calls.set(ask.call, held);
    return recordOf(held);
  }

  #forgetOne(): void {
    for (const [call, { steps }] of this.#calls)
      if (steps.at(-1)?.state === 'ended') return void this.#calls.delete(call);
  }
}

function recordOf({ ask, openedAt, steps, dialled }: Held): CallRecord {
  const last = steps.at(-1);
  const status = steps.findLast(s => s.status !== undefined)?.status;
  return {
    call: ask.call,
    room: ask.room,
    to: ask.to,
    leg: dialled?.leg ?? '',
    state: last?.state ?? 'calling',
    ...(status !== undefined && { status }),
    text: last?.text ?? '',
    openedAt,
    steps,
  };
}
