import type { AgentAdvert } from '../agents/advert.ts';
import type { Taken } from '../agents/placement.ts';
import type { Bus } from '../bus/port.ts';
import type {
  Agent,
  Clock,
  Json,
  LegCommand,
  LegEvent,
  Log,
  Termination,
  TicketRequest,
} from '../contract.ts';
import { refuse, terminationOf } from '../kit/refusal.ts';
import type { LegNotice } from '../room/port.ts';
import { DeskAgents, downId } from './desk-agents.ts';
import { type Elsewhere, Emptying, NOWHERE } from './emptying.ts';
import {
  AGENT_LEFT,
  beingTaken,
  FRONT_LOST,
  type Held,
  isAnother,
  type LegRecord,
  recordOf,
  type TakeAsk,
  UNOWNED,
} from './held-leg.ts';
import { type LegDrillAsk, LegDrills } from './leg-drills.ts';
import type { Lobby } from './lobby.ts';
import { subjects } from './subjects.ts';
import type { Wills } from './wills.ts';

/** A leg that was told to close and says nothing is forgotten after this long. */
const CLOSE_MS = 5000;

export interface AgentDeskOptions {
  readonly bus: Bus;
  readonly seats: Pick<Lobby, 'take'>;
  readonly wills: Pick<Wills, 'execute'>;
  readonly clock: Clock;
  readonly log: Log;
  /** An advert would now read differently in a way others should know at once. */
  readonly changed: () => void;
}

/** Runs the agents of this process: seats each leg, passes commands in and events out, and ends what remains. */
export class AgentDesk {
  readonly #agents = new DeskAgents();
  readonly #legs = new Map<string, Held>();
  readonly #o: AgentDeskOptions;
  readonly #undo: (() => void)[] = [];
  readonly #drills: LegDrills;
  readonly #emptying: Emptying;
  /** The process ends: who goes on elsewhere finds its seat kept. */
  #ending = false;

  constructor(options: AgentDeskOptions) {
    this.#o = options;
    this.#drills = new LegDrills(options);
    this.#emptying = new Emptying({
      clock: options.clock,
      tell: (held, event) => this.#publish(held, event),
      close: (held, why) => this.#close(held, why),
      has: held => this.#legs.get(held.request.leg) === held,
    });
  }

  add(id: string, gateway: string, agent: Agent): void {
    this.#agents.add(id, gateway, agent);
    this.#o.bus.events.publish({ type: 'agent.up', agent: id, gateway });
    this.#undo.push(
      this.#o.bus.serve(
        subjects.take(id),
        async data => (await this.#take(id, data as unknown as TakeAsk)) as unknown as Json,
      ),
      this.#o.bus.subscribe(subjects.command(id), data => {
        const { leg, command } = data as unknown as { leg: string; command: LegCommand };
        this.#command(leg, command);
      }),
      this.#o.bus.serve(subjects.ticket(id), data => {
        const { ask, token } = data as unknown as { ask: TicketRequest; token: string };
        return this.#agents.ticketUrl(id, ask, token);
      }),
      this.#o.bus.serve(subjects.drain(id), data => this.#drain(id, (data as { on: boolean }).on)),
      this.#o.bus.serve(subjects.outOfService(id), data => this.#retire(id, (data as { on: boolean }).on)),
      this.#o.bus.serve(subjects.drill(id), data => {
        const ask = data as unknown as LegDrillAsk;
        this.#drills.set(gateway, this.#legs.get(ask.leg)?.leg, ask);
        return true;
      }),
    );
  }

  adverts(): AgentAdvert[] {
    return this.#agents.adverts();
  }

  get size(): number {
    return this.#legs.size;
  }

  records(): LegRecord[] {
    return [...this.#legs.values()].map(recordOf);
  }

  /** The front's process is gone: nobody can signal for its legs any more. */
  ownerLost(process: string): void {
    for (const held of this.#legs.values()) {
      if (held.owner !== process) continue;
      const { leg, trace, gateway, room } = held.request;
      const { participant } = held.seat ?? {};
      this.#o.log.info({ leg, trace, gateway, room, participant, ...FRONT_LOST }, 'closing');
      if (held.will !== null) this.#o.wills.execute({ leg, gateway, native: held.will, why: FRONT_LOST });
      this.#close(held, FRONT_LOST);
    }
  }

  /** Its legs, by the process that signals for them. */
  owned(): Map<string, string[]> {
    const owned = new Map<string, string[]>();
    for (const [leg, { owner }] of this.#legs) owned.set(owner, [...(owned.get(owner) ?? []), leg]);
    return owned;
  }

  /** Those of `legs` that are not here, or not by the request their front means. */
  unknown(legs: readonly string[], attempts: readonly (number | null)[] = []): string[] {
    return legs.filter((leg, i) => {
      const held = this.#legs.get(leg);
      return held === undefined || isAnother(held.request.attempt, attempts[i]);
    });
  }

  /** See `TakeAsk`. */
  attemptOf(leg: string): number | undefined {
    return this.#legs.get(leg)?.request.attempt;
  }

  /** Its owner lives and does not know it, or means another agent's. */
  disowned(leg: string): void {
    const held = this.#legs.get(leg);
    if (held !== undefined) this.#close(held, UNOWNED);
  }

  /** No new legs on any agent of this process. */
  drainAll(): void {
    this.#agents.drainAll();
    this.#o.changed();
  }

  /** This process ends: no new legs, and those go that can go on elsewhere. See `Emptying.leave`. */
  async leave(elsewhere: Elsewhere = NOWHERE): Promise<void> {
    this.drainAll();
    await this.#emptying.leave([...this.#legs.values()], elsewhere);
  }

  /** Closes every leg and agent. */
  async close(why: Termination): Promise<void> {
    for (const undo of this.#undo.splice(0)) undo();
    this.#ending = true;
    for (const held of [...this.#legs.values()]) {
      held.keeps &&= held.closing === undefined; // who hangs up just now does not go on
      const { outlivesAgent, returns } = held.request;
      this.#close(held, held.keeps && (outlivesAgent || returns) ? AGENT_LEFT : why);
    }
    await Promise.all(this.#agents.all.map(({ agent }) => agent.close()));
    for (const held of [...this.#legs.values()]) this.#ended(held, why);
    for (const { id: agent, gateway } of this.#agents.all)
      this.#o.bus.events.publish({ type: 'agent.down', id: downId(agent), agent, gateway, why });
  }

  async #take(id: string, { request: asked, owner, attempt }: TakeAsk): Promise<Taken> {
    const request = { ...asked, ...(attempt !== undefined && { attempt }) };
    const entry = this.#agents.taking(id);
    if (this.#legs.has(request.leg))
      throw refuse('server', 'duplicate-leg', `Leg ${request.leg} is here already.`);
    const held = beingTaken(id, request, owner);
    this.#legs.set(request.leg, held);
    entry.legs++;
    this.#o.changed();
    try {
      const { seat, secret, hear } = await this.#o.seats.take(
        request,
        notice => this.#notice(held, notice),
        secret => this.#publish(held, { type: 'secret', secret }),
      );
      held.seat = seat;
      held.hear = hear;
      if (held.closing !== undefined)
        throw refuse(held.closing.blame, held.closing.reason, held.closing.text ?? '');
      held.leg = await entry.agent.take(request, seat, event => this.#event(held, event));
      for (const command of held.early.splice(0)) held.leg.handle(command);
      if (held.closing !== undefined) this.#tellToClose(held, held.closing);
      return { participant: seat.participant, secret };
    } catch (error) {
      const why = terminationOf(error);
      if (why.reason === 'internal-error')
        this.#o.log.error({ leg: request.leg, err: error }, 'agent failed while taking a leg');
      // Another agent may yet take a leg that came back for its participant: that one stays as it was, away.
      held.seat?.leave(request.outlivesAgent ? { ...why, reason: 'connection-lost' } : why);
      this.#forget(held);
      throw error;
    }
  }

  #command(legId: string, command: LegCommand): void {
    const held = this.#legs.get(legId);
    if (held === undefined) return;
    if (command.type === 'close') return this.#close(held, command.why);
    if (command.type === 'will') return void (held.will = command.native);
    if (held.leg === undefined) return void held.early.push(command);
    this.#guard(held, () => held.leg?.handle(command));
  }

  #notice(held: Held, notice: LegNotice): void {
    if (notice.type === 'close') return this.#close(held, notice.why);
    this.#command(held.request.leg, notice);
  }

  #close(held: Held, why: Termination): void {
    if (held.closing !== undefined) return;
    held.closing = why;
    if (held.leg !== undefined) this.#tellToClose(held, why); // else `take` sees `closing` when its seat or leg is ready
  }

  #tellToClose(held: Held, why: Termination): void {
    held.disarm();
    held.disarm = this.#o.clock.at(this.#o.clock.now() + CLOSE_MS, () => this.#ended(held, why));
    this.#guard(held, () => held.leg?.handle({ type: 'close', why }));
  }

  #event(held: Held, event: LegEvent): void {
    if (event.type === 'closed') return this.#ended(held, event.why);
    held.hear?.(event);
    this.#publish(held, event);
  }

  /** Once per leg: the seat is given back and the owner told. */
  #ended(held: Held, why: Termination): void {
    if (this.#legs.get(held.request.leg) !== held) return;
    this.#forget(held);
    // Its peer will look for another front, and finds its seat kept.
    const isKept = (this.#ending && held.keeps) || (held.request.returns && held.closing === FRONT_LOST);
    held.seat?.leave(isKept ? { ...why, reason: 'connection-lost' } : why);
    this.#publish(held, { type: 'closed', why });
  }

  #publish(held: Held, event: LegEvent): void {
    const said = { leg: held.request.leg, agent: held.agent, event };
    this.#o.bus.publish(subjects.event(held.owner), said as unknown as Json);
  }

  /** A bug in one leg kills that leg only. */
  #guard(held: Held, run: () => void): void {
    try {
      run();
    } catch (error) {
      this.#o.log.error({ leg: held.request.leg, err: error }, 'bug in a leg: it is closed');
      const why = terminationOf(error);
      this.#ended(held, why);
      try {
        held.leg?.handle({ type: 'close', why }); // it still holds its ports
      } catch {
        // it could not even close; what it holds goes with its agent
      }
    }
  }

  #drain(id: string, on: boolean): Json {
    const entry = this.#agents.get(id);
    entry.draining = on;
    this.#o.changed();
    if (on) this.#emptying.drain(this.#heldBy(id));
    return { draining: on, legs: entry.legs };
  }

  /** Out of service: its legs move where they can, and end in words where they cannot. */
  #retire(id: string, on: boolean): Json {
    const entry = this.#agents.get(id);
    entry.outOfService = on;
    this.#o.changed();
    if (on) this.#emptying.retire(this.#heldBy(id), () => entry.outOfService);
    return { outOfService: on, legs: entry.legs };
  }

  #heldBy(id: string): Held[] {
    return [...this.#legs.values()].filter(held => held.agent === id);
  }

  #forget(held: Held): void {
    held.disarm();
    if (this.#legs.get(held.request.leg) !== held) return;
    this.#legs.delete(held.request.leg);
    this.#drills.ended(held.request.leg);
    this.#agents.get(held.agent).legs--;
    this.#o.changed();
  }
}
