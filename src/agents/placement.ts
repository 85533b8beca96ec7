import type { LegRequest, Termination } from '../contract.ts';
import { type Core, type Millis, NEVER, type Tick } from '../kit/core.ts';
import type { Candidate, ProcessTable } from './table.ts';

/** One agent's time to say yes or no, and the whole placement's. */
const TAKE_MS = 3000;
const PLACE_MS = 8000;

export interface Taken {
  readonly participant: string;
  readonly secret: string;
}

export type PlacementInput =
  | { type: 'start' }
  | { type: 'taken'; agent: string; taken: Taken }
  | { type: 'refused'; agent: string; why: Termination }
  | { type: 'abort' };

export type PlacementOutput =
  | { type: 'ask'; to: Candidate }
  | { type: 'placed'; to: Candidate; taken: Taken }
  | { type: 'failed'; why: Termination }
  /** A late yes, or one that came after the caller gave up: give the seat back. */
  | { type: 'return'; agent: string; why: Termination };

const CANCELLED: Termination = {
  blame: 'client',
  reason: 'cancelled',
  text: 'The caller gave up while the call was being placed.',
};

/** Finds an agent for one leg: asks the best, and the next best when it refuses or is silent. */
export class Placement implements Core<PlacementInput, PlacementOutput> {
  deadline: Millis = NEVER;
  readonly #request: LegRequest;
  readonly #table: ProcessTable;
  readonly #region: string;
  readonly #tried = new Set<string>();
  readonly #out: PlacementOutput[] = [];
  #asked: Candidate | undefined;
  #giveUpAt: Millis = NEVER;
  #state: 'new' | 'asking' | 'done' = 'new';
  #why: Termination | undefined;

  constructor(request: LegRequest, table: ProcessTable, region: string) {
    this.#request = request;
    this.#table = table;
    this.#region = region;
  }

  poll(): PlacementOutput | undefined {
    return this.#out.shift();
  }

  handle(input: PlacementInput | Tick, now: Millis): void {
    switch (`${this.#state}/${input.type}` as const) {
      case 'new/start':
        this.#state = 'asking';
        this.#giveUpAt = now + PLACE_MS;
        return this.#askNext(now);
      case 'asking/taken': {
        const { agent, taken } = input as Extract<PlacementInput, { type: 'taken' }>;
        if (agent !== this.#asked?.advert.agent)
          return void this.#out.push({ type: 'return', agent, why: CANCELLED });
        return this.#done({ type: 'placed', to: this.#asked, taken });
      }
      case 'asking/refused': {
        const { agent, why } = input as Extract<PlacementInput, { type: 'refused' }>;
        if (agent !== this.#asked?.advert.agent) return;
        this.#why = why;
        // What the client did wrong, the next agent would refuse too.
        return why.blame === 'client' ? this.#done({ type: 'failed', why }) : this.#askNext(now);
      }
      case 'asking/tick':
        if (now >= this.#giveUpAt) return this.#fail();
        return this.#askNext(now);
      case 'asking/abort':
        return this.#done({ type: 'failed', why: CANCELLED });
      case 'done/taken':
        return void this.#out.push({
          type: 'return',
          agent: (input as { agent: string }).agent,
          why: CANCELLED,
        });
      default:
        return; // too late or twice: nothing hangs on it
    }
  }

  #askNext(now: Millis): void {
    this.#asked = this.#table.best(this.#request, this.#tried, this.#region);
    if (this.#asked === undefined) return this.#fail();
    this.#tried.add(this.#asked.advert.agent);
    this.deadline = Math.min(this.#giveUpAt, now + TAKE_MS);
    this.#out.push({ type: 'ask', to: this.#asked });
  }

  #fail(): void {
    const { gateway } = this.#request;
    const why: Termination =
      this.#why ??
      (this.#tried.size === 0
        ? {
            blame: 'server',
            reason: 'no-agent',
            text: `No ${gateway} agent is free or alive; start one, or wait for calls to end.`,
          }
        : {
            blame: 'server',
            reason: 'agents-silent',
            text: `The ${gateway} agents did not answer in time; see GET /api/v1/agents.`,
          });
    this.#done({ type: 'failed', why });
  }

  #done(out: PlacementOutput): void {
    this.#state = 'done';
    this.deadline = NEVER;
    this.#out.push(out);
  }
}
