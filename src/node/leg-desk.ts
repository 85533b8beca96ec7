import { Placement, type PlacementInput, type PlacementOutput, type Taken } from '../agents/placement.ts';
import type { Candidate } from '../agents/table.ts';
import type { Bus } from '../bus/port.ts';
import type {
  Clock,
  Json,
  LegCommand,
  LegEvent,
  LegRequest,
  Millis,
  PlacedLeg,
  Termination,
  Who,
} from '../contract.ts';
import { type Drive, drive } from '../io/drive.ts';
import { Refusal, terminationOf } from '../kit/refusal.ts';
import { isAnother, type TakeAsk } from './held-leg.ts';
import { LegNotes, type LegNotesOptions, type Noted } from './leg-notes.ts';
import type { Choose } from './manager-desk.ts';
import type { Mesh } from './mesh.ts';
import { subjects } from './subjects.ts';

export interface LegDeskOptions extends LegNotesOptions {
  readonly process: string;
  readonly region: string;
  readonly bus: Pick<Bus, 'publish' | 'request' | 'subscribe' | 'events'>;
  readonly mesh: Pick<Mesh, 'onLost'>;
  readonly choose: Choose;
  readonly clock: Clock;
  /** Who may come in: rejects with a Refusal, or says what was proved. */
  readonly authorize: (request: LegRequest) => Promise<Who>;
  /** Told of a leg that ended without its agent: the room gives it up. */
  readonly gone: (request: LegRequest, why: Termination) => void;
}

interface Entry {
  readonly request: LegRequest;
  readonly on: (e: LegEvent) => void;
  readonly since: Millis;
  /** Where it was placed, or is being placed; undefined between two agents. */
  to: Candidate | undefined;
  /** How many agents were asked to take it. */
  attempt: number;
  /** Set when placed. */
  taken: Taken | undefined;
  /** Set when `closed` came, which may be before the answer to the placement. */
  ended: Termination | undefined;
  /** It was told to close, which it may not have heard. */
  closing: boolean;
  /** Its agent died or has left, and its front has yet to say whether it goes on. */
  orphan: boolean;
}

const LOST: Termination = {
  blame: 'server',
  reason: 'agent-lost',
  text: 'The leg ended while it was being placed; call again.',
};

const UNHEARD: Termination = {
  blame: 'server',
  reason: 'leg-ended-unheard',
  text: 'The leg ended while the processes could not hear each other.',
};

/** The fronts' side of every leg this process asked for: places it, carries commands out and events in, sees its end. */
export class LegDesk {
  readonly #o: LegDeskOptions;
  readonly #notes: LegNotes;
  readonly #legs = new Map<string, Entry>();
  readonly #undo: () => void;

  constructor(options: LegDeskOptions) {
    this.#o = options;
    this.#notes = new LegNotes(options);
    this.#undo = options.bus.subscribe(subjects.event(options.process), data => {
      const { leg, agent, event } = data as unknown as { leg: string; agent?: string; event: LegEvent };
      if (this.#isElsewhere(leg, agent)) return;
      this.#event(leg, event);
    });
    options.mesh.onLost(process => this.#processLost(process));
  }

  /** Resume secret of a participant that has a leg from here. */
  secretOf(room: string, participant: string): string | undefined {
    for (const { request, taken } of this.#legs.values())
      if (request.room === room && taken?.participant === participant) return taken.secret;
    return undefined;
  }

  get size(): number {
    return this.#legs.size;
  }

  /** See `Host.place`. */
  place(request: LegRequest, on: (e: LegEvent) => void, signal: AbortSignal): Promise<PlacedLeg> {
    return this.#refusing(request, async () => {
      const who = await this.#o.authorize(request);
      return await this.#place({ ...request, who }, on, signal);
    });
  }

  /** Writes down every refusal. */
  async #refusing(request: LegRequest, place: () => Promise<PlacedLeg>): Promise<PlacedLeg> {
    try {
      return await place();
    } catch (error) {
      throw new Refusal(this.#notes.refused(request, error));
    }
  }

  #place(request: LegRequest, on: (e: LegEvent) => void, signal: AbortSignal): Promise<PlacedLeg> {
    return new Promise((resolve, reject) => {
      const entry: Entry = {
        request,
        on,
        since: this.#o.clock.now(),
        to: undefined,
        attempt: 0,
        taken: undefined,
        ended: undefined,
        closing: false,
        orphan: false,
      };
      this.#legs.set(request.leg, entry);
      const core = new Placement(request.gateway);
      const abort = (): void => run.feed({ type: 'abort' });
      const finish = (): void => signal.removeEventListener('abort', abort);
      const run: Drive<PlacementInput> = drive(core, this.#o.clock, (out: PlacementOutput) => {
        switch (out.type) {
          case 'choose':
            entry.to = undefined; // the one before has no say any more
            return this.#choose(request, out.ask, out.tried, input => run.feed(input));
          case 'ask':
            entry.to = out.to;
            entry.attempt++;
            return this.#ask(entry, out.to, input => run.feed(input));
          case 'return':
            return this.#send(out.agent, request.leg, { type: 'close', why: out.why });
          case 'placed':
            finish();
            if (this.#legs.get(request.leg) !== entry) return reject(new Refusal(entry.ended ?? LOST));
            return resolve(this.#opened(entry, out.to, out.taken));
          case 'failed':
            finish();
            this.#legs.delete(request.leg);
            return reject(new Refusal(out.why));
        }
      });
      signal.addEventListener('abort', abort);
      run.feed(signal.aborted ? { type: 'abort' } : { type: 'start' });
    });
  }

  #choose(
    { leg, gateway, formats, pin }: LegRequest,
    ask: number,
    tried: readonly string[],
    feed: (input: PlacementInput) => void,
  ): void {
    const wanted = { gateway, ...(formats && { formats }), ...(pin !== undefined && { pin }) };
    this.#o.choose({ leg, region: this.#o.region, tried, ...wanted }).then(
      to => feed({ type: 'chosen', ask, to }),
      error => {
        const why = terminationOf(error);
        // The silence of one manager is no answer: the placement asks another one.
        if (why.reason !== 'timeout') feed({ type: 'none', ask, why });
      },
    );
  }

  #ask({ request, attempt }: Entry, to: Candidate, feed: (input: PlacementInput) => void): void {
    const agent = to.advert.agent;
    const ask: TakeAsk = { request, owner: this.#o.process, attempt };
    this.#o.bus.request(subjects.take(agent), ask as unknown as Json, { timeoutMs: 8000 }).then(
      taken => feed({ type: 'taken', agent, taken: taken as unknown as Taken }),
      error => feed({ type: 'refused', agent, why: terminationOf(error) }),
    );
  }

  #opened(entry: Entry, to: Candidate, taken: Taken): PlacedLeg {
    const { leg } = entry.request;
    entry.taken = taken;
    this.#notes.opened(notedOf(entry), this.#o.clock.now() - entry.since);
    return {
      id: leg,
      agent: to.advert.agent,
      participant: taken.participant,
      secret: taken.secret,
      send: command => {
        entry.closing ||= command.type === 'close';
        if (!entry.orphan) return this.#send(to.advert.agent, leg, command);
        if (command.type === 'close') this.#o.gone(entry.request, command.why);
      },
      again: (anew, on, signal) => {
        // It was let in once; what it proved then may have expired since. The secret makes it the same participant.
        const who: Who = { ...entry.request.who, credential: (entry.taken ?? taken).secret };
        const request: LegRequest = { ...entry.request, ...anew, who };
        return this.#refusing(request, () => this.#place(request, on, signal));
      },
    };
  }

  #send(agent: string, leg: string, command: LegCommand): void {
    this.#o.bus.publish(subjects.command(agent), { leg, command } as unknown as Json);
  }

  /** An agent that was silent may have the leg, too, until it hears that another one was asked: what it says means nothing. */
  #isElsewhere(leg: string, agent: string | undefined): boolean {
    const entry = this.#legs.get(leg);
    return agent !== undefined && entry !== undefined && agent !== entry.to?.advert.agent;
  }

  #event(leg: string, event: LegEvent): void {
    const entry = this.#legs.get(leg);
    if (entry === undefined) return;
    if (event.type === 'secret') {
      if (entry.taken !== undefined) entry.taken = { ...entry.taken, secret: event.secret };
      return;
    }
    if (event.type === 'closed') {
      this.#legs.delete(leg);
      entry.ended = event.why;
      entry.orphan = event.why.reason === 'agent-lost' && entry.request.outlivesAgent === true;
      this.#notes.closed(notedOf(entry), event.why);
    }
    entry.on(event);
  }

  /** An agent's process died: its legs cannot say so themselves. */
  #processLost(process: string): void {
    for (const [leg, entry] of [...this.#legs])
      if (entry.taken !== undefined && entry.to?.process === process) {
        const why: Termination = {
          blame: 'server',
          reason: 'agent-lost',
          text: 'The media process of this leg has died; call again.',
        };
        this.#event(leg, { type: 'closed', why });
        if (!entry.orphan && !entry.request.returns) this.#o.gone(entry.request, why);
      }
  }

  /**
   * Those of `legs` that this process does not, or no longer, signal for; or where another agent has the leg, or is being
   * asked: `attempts` says which one the asking agent was, where it says so.
   */
  unknown(legs: readonly string[], attempts: readonly (number | null)[] = []): string[] {
    return legs.filter((leg, i) => {
      const entry = this.#legs.get(leg);
      return entry?.closing !== false || isAnother(entry.attempt, attempts[i]);
    });
  }

  /** How many agents were asked to take a leg. */
  attemptOf(leg: string): number | undefined {
    return this.#legs.get(leg)?.attempt;
  }

  /** The legs that are placed, by the process that has them. */
  placed(): Map<string, string[]> {
    const placed = new Map<string, string[]>();
    for (const [leg, { to, taken }] of this.#legs)
      if (taken !== undefined && to !== undefined)
        placed.set(to.process, [...(placed.get(to.process) ?? []), leg]);
    return placed;
  }

  /** Its agent lives and does not know it: word of its end was lost. */
  ended(leg: string): void {
    const entry = this.#legs.get(leg);
    if (entry?.taken !== undefined) this.#event(leg, { type: 'closed', why: UNHEARD });
  }

  close(): void {
    this.#undo();
  }
}

const notedOf = ({ request, to, taken }: Entry): Noted => ({
  request,
  agent: to?.advert.agent,
  participant: taken?.participant,
});
