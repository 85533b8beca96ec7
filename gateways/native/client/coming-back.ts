import type { Clock, Json, Termination } from '../../../src/contract.ts';
import { refuse } from '../../../src/kit/refusal.ts';
import type { SessionEvent } from '../../../src/proto/artp/session/types.ts';
import type { AgentLine, Joined } from './agent-line.ts';
import { Timers } from './timers.ts';

/** Why another agent is looked for: this one is not heard any more, or it has asked us to go while it still serves us. */
export type Reason = 'lost' | 'moves';

export interface ComingBackOptions {
  readonly clock: Clock;
  /** RESUME: rejects when nobody answers now. */
  readonly call: (why: Reason) => Promise<Joined>;
  readonly open: (joined: Joined, on: (e: SessionEvent) => void) => AgentLine;
  /** False: the agent was heard again. */
  readonly isLost: () => boolean;
  /** How long the seat is kept, ms. */
  readonly keepMs: () => number;
  /** The member is seated at another agent: `first` is what that one has said. */
  readonly seated: (line: AgentLine, first: Json) => void;
  readonly failed: (why: Termination) => void;
}

const AGAIN_MS = 1000;
/** An agent that answered RESUME and did not seat us within this never will. */
const SEATED_MS = 10_000;
/** An agent that wants to be empty closes us after this long (`AgentDesk`); where nobody else takes us that is so. */
const MOVE_MS = 10_000;

/**
 * Looks for another agent by the ticket until one seats us. The session with the old one goes on meanwhile, and is heard
 * again at any time: then nothing has changed.
 */
export class ComingBack {
  readonly #o: ComingBackOptions;
  readonly #timers: Timers;
  #why: Reason | undefined;
  #since = 0;
  #next: AgentLine | undefined;
  #stopped = false;

  constructor(o: ComingBackOptions) {
    this.#o = o;
    this.#timers = new Timers(o.clock);
  }

  /** The session with an agent that has answered, and is to seat us. */
  get next(): AgentLine | undefined {
    return this.#next;
  }

  start(why: Reason): void {
    if (this.#stopped || this.#why === 'lost' || this.#why === why) return;
    const searches = this.#why !== undefined;
    this.#why = why;
    this.#since = this.#o.clock.now();
    if (!searches) void this.#search();
  }

  /** Idempotent. */
  stop(): void {
    this.#stopped = true;
    this.#why = undefined;
    this.#drop();
    this.#timers.stop();
  }

  async #search(): Promise<void> {
    const why = this.#why;
    if (why === undefined) return;
    if (why === 'lost' && !this.#o.isLost()) return this.#done();
    try {
      const joined = await this.#o.call(why);
      if (this.#stopped || (this.#why === 'lost' && !this.#o.isLost())) {
        joined.pipe?.destroy();
        return this.#done();
      }
      const line: AgentLine = this.#o.open(joined, e => this.#event(line, e));
      this.#next = line;
      this.#timers.after(SEATED_MS, () => this.#next === line && this.#again());
      await line.begin();
    } catch {
      this.#again();
    }
  }

  #event(line: AgentLine, e: SessionEvent): void {
    if (line !== this.#next) return;
    if (e.type === 'message') {
      this.#next = undefined;
      this.#done();
      return this.#o.seated(line, e.message);
    }
    if (e.type !== 'ended') return;
    const { blame } = e.why;
    if (blame === 'server' || blame === 'upstream') return this.#again(); // another agent may do
    this.#drop();
    this.#o.failed(e.why);
  }

  #again(): void {
    this.#drop();
    this.#timers.stop();
    if (this.#stopped) return;
    const forMs = this.#o.clock.now() - this.#since;
    if (this.#why === 'moves' && forMs > MOVE_MS) return this.#done();
    if (forMs > this.#o.keepMs()) return this.#o.failed(LOST);
    this.#timers.after(AGAIN_MS, () => void this.#search());
  }

  #drop(): void {
    this.#next?.stop();
    this.#next = undefined;
  }
  #done(): void {
    this.#why = undefined;
    this.#timers.stop();
  }
}

const LOST: Termination = refuse(
  'upstream',
  'connection-lost',
  'The connection to the room was lost, and nobody took the member back in time.',
).why;
