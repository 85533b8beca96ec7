import type { Termination } from '../contract.ts';
import { type Core, type Millis, NEVER, type Tick } from '../kit/core.ts';
import type { Candidate } from './table.ts';

/** One manager's time to name an agent, one agent's time to say yes or no, and the whole placement's. */
const CHOOSE_MS = 1000;
const TAKE_MS = 3000;
const PLACE_MS = 8000;
/** So many managers in turn that do not answer, and none is taken to be alive. */
const MANAGERS = 3;

export interface Taken {
  readonly participant: string;
  readonly secret: string;
}

export type PlacementInput =
  | { type: 'start' }
  /** `ask` echoes that of `choose`. */
  | { type: 'chosen'; ask: number; to: Candidate }
  /** No manager has an agent for it, or none answers (`no-manager`). */
  | { type: 'none'; ask: number; why: Termination }
  | { type: 'taken'; agent: string; taken: Taken }
  | { type: 'refused'; agent: string; why: Termination }
  | { type: 'abort' };

export type PlacementOutput =
  /** A manager is to name an agent, none of `tried`. */
  | { type: 'choose'; ask: number; tried: readonly string[] }
  | { type: 'ask'; to: Candidate }
  | { type: 'placed'; to: Candidate; taken: Taken }
  | { type: 'failed'; why: Termination }
  /** A late yes, one that came after the caller gave up, or may come from one that was silent: give the seat back. */
  | { type: 'return'; agent: string; why: Termination };

const PLACED_ELSEWHERE: Termination = {
  blame: 'none',
  reason: 'placed-elsewhere',
  text: 'This agent did not say in time that it has the leg; another one was asked.',
};
const CANCELLED: Termination = {
  blame: 'client',
  reason: 'cancelled',
  text: 'The caller gave up while the call was being placed.',
};
export const NO_MANAGER: Termination = {
  blame: 'server',
  reason: 'no-manager',
  text: 'No process that places calls answers: start one with the role manager.',
};

type Of<T extends PlacementInput['type']> = Extract<PlacementInput, { type: T }>;

/**
 * Finds an agent for one leg: has a manager name the best, asks that one, and has the next best named when it refuses or
 * is silent. A manager that is silent is followed by another.
 */
export class Placement implements Core<PlacementInput, PlacementOutput> {
  deadline: Millis = NEVER;
  readonly #gateway: string;
  readonly #tried = new Set<string>();
  readonly #out: PlacementOutput[] = [];
  #state: 'new' | 'choosing' | 'asking' | 'done' = 'new';
  #asked: Candidate | undefined;
  #giveUpAt: Millis = NEVER;
  /** Counts the questions to managers, and those in a row that had no answer. */
  #ask = 0;
  #silent = 0;
  #why: Termination | undefined;
  /** What an agent is told that has a leg nobody waits for. */
  #unwanted = PLACED_ELSEWHERE;

  constructor(gateway: string) {
    this.#gateway = gateway;
  }

  poll(): PlacementOutput | undefined {
    return this.#out.shift();
  }

  handle(input: PlacementInput | Tick, now: Millis): void {
    switch (`${this.#state}/${input.type}` as const) {
      case 'new/start':
        this.#giveUpAt = now + PLACE_MS;
        return this.#choose(now);
      case 'choosing/chosen':
        return this.#chosen(input as Of<'chosen'>, now);
      case 'choosing/none': {
        const { ask, why } = input as Of<'none'>;
        if (ask === this.#ask) this.#fail(why);
        return;
      }
      case 'choosing/tick':
        if (++this.#silent >= MANAGERS || now >= this.#giveUpAt) return this.#fail(NO_MANAGER);
        return this.#choose(now);
      case 'asking/taken': {
        const { agent, taken } = input as Of<'taken'>;
        if (agent !== this.#asked?.advert.agent) return this.#return(agent);
        return this.#done({ type: 'placed', to: this.#asked, taken });
      }
      case 'asking/refused': {
        const { agent, why } = input as Of<'refused'>;
        if (agent !== this.#asked?.advert.agent) return;
        this.#why = why;
        // What the client did wrong, the next agent would refuse too.
        return why.blame === 'client' ? this.#done({ type: 'failed', why }) : this.#choose(now);
      }
      case 'asking/tick':
        this.#giveUp();
        return now >= this.#giveUpAt ? this.#fail(this.#silence()) : this.#choose(now);
      case 'choosing/abort':
      case 'asking/abort':
        this.#unwanted = CANCELLED;
        this.#giveUp();
        return this.#done({ type: 'failed', why: CANCELLED });
      case 'choosing/taken':
      case 'done/taken':
        return this.#return((input as Of<'taken'>).agent);
      default:
        return; // too late or twice: nothing hangs on it
    }
  }

  #choose(now: Millis): void {
    this.#state = 'choosing';
    this.#asked = undefined;
    this.deadline = Math.min(this.#giveUpAt, now + CHOOSE_MS);
    this.#out.push({ type: 'choose', ask: ++this.#ask, tried: [...this.#tried] });
  }

  /** Also from a manager that was given up: it has an agent, and this one has none yet. */
  #chosen({ to }: Of<'chosen'>, now: Millis): void {
    if (this.#tried.has(to.advert.agent)) return;
    this.#state = 'asking';
    this.#silent = 0;
    this.#asked = to;
    this.#tried.add(to.advert.agent);
    this.deadline = Math.min(this.#giveUpAt, now + TAKE_MS);
    this.#out.push({ type: 'ask', to });
  }

  /** What an agent said of itself tells more than that no other is left. */
  #fail(why: Termination): void {
    const silent = this.#tried.size > 0 && why.reason === 'no-agent' ? this.#silence() : why;
    this.#done({ type: 'failed', why: this.#why ?? silent });
  }

  #silence(): Termination {
    return {
      blame: 'server',
      reason: 'agents-silent',
      text: `The ${this.#gateway} agents did not answer in time; see GET /api/v1/agents.`,
    };
  }

  /** Whom it asked is not waited for any more: it may have the leg, and only its answer was lost. */
  #giveUp(): void {
    if (this.#asked !== undefined) this.#return(this.#asked.advert.agent);
    this.#asked = undefined;
  }

  #return(agent: string): void {
    this.#out.push({ type: 'return', agent, why: this.#unwanted });
  }

  #done(out: PlacementOutput): void {
    this.#state = 'done';
    this.deadline = NEVER;
    this.#out.push(out);
  }
}
