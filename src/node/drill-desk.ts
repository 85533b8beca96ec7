import { randomBytes } from 'node:crypto';
import type { Bus } from '../bus/port.ts';
import type { Clock, Json, LegDrill, Log } from '../contract.ts';
import type { Impairment } from '../kit/impairment.ts';
import { describeImpairment, wordsOf } from '../kit/impairment-words.ts';
import { refuse, terminationOf } from '../kit/refusal.ts';
import type { DrillAsk, DrillView } from '../ops/api/backend.ts';
import type { LegRecord } from './held-leg.ts';
import type { LegDrillAsk } from './leg-drills.ts';
import { subjects } from './subjects.ts';

export interface DrillDeskOptions {
  readonly bus: Bus;
  readonly clock: Clock;
  readonly log: Log;
  /** Every leg of the system. */
  readonly legs: () => Promise<readonly LegRecord[]>;
  /** Every drill of the system. */
  readonly drills: () => Promise<readonly DrillView[]>;
}

interface Running {
  readonly drill: string;
  readonly ask: DrillAsk;
  readonly room: string;
  readonly impaired: LegDrill;
  /** Unix ms. */
  readonly startedAt: number;
  /** By the clock. */
  readonly endsAt: number;
  /** What was asked of each leg, and what it said. */
  readonly legs: Map<string, DrillView['legs'][number] & { readonly agent: string }>;
  /** Signalling legs that were told. */
  readonly told: Map<string, string>;
  disarm: () => void;
}

/** Who joins meanwhile is impaired, and told, within so much. */
const LOOK_MS = 1000;
const ASK_MS = 2000;

/**
 * Drills asked for at this process: a room, or one of its legs, gets a bad network for a while. Agents do it and end it by
 * themselves; everyone in the room is told that it is on.
 */
export class DrillDesk {
  readonly #o: DrillDeskOptions;
  readonly #running = new Map<string, Running>();

  constructor(options: DrillDeskOptions) {
    this.#o = options;
  }

  list(): DrillView[] {
    return [...this.#running.values()].map(r => this.#view(r));
  }

  /** Rejects with a Refusal when there is no such room or leg, when one runs there already, or when nothing can be impaired. */
  async start(ask: DrillAsk): Promise<DrillView> {
    const legs = await this.#o.legs();
    const room = roomOf(ask, legs);
    const other = (await this.#o.drills()).find(d => d.room === room);
    if (other !== undefined)
      throw refuse(
        'client',
        'drill-running',
        `A drill runs in room ${room} already, until ${new Date(other.endsAt).toISOString()}: wait, or end it (DELETE /api/v1/drills/${other.drill}).`,
      );
    const now = this.#o.clock.now();
    const running: Running = {
      drill: `drill-${randomBytes(6).toString('hex')}`,
      ask,
      room,
      impaired: impairedOf(ask, randomBytes(4).readInt32BE(0)),
      startedAt: Date.now(),
      endsAt: now + ask.seconds * 1000,
      legs: new Map(),
      told: new Map(),
      disarm: () => {},
    };
    this.#running.set(running.drill, running);
    await this.#reach(running, legs);
    const reached = [...running.legs.values()];
    if (!reached.some(l => l.impaired)) {
      this.#forget(running);
      throw refuse(
        'client',
        'nothing-to-impair',
        reached[0]?.text ?? `No leg of room ${room} carries media that could be impaired.`,
      );
    }
    this.#o.log.warn(
      {
        drill: running.drill,
        room,
        impairment: describeImpairment(ask.impairment),
        direction: ask.direction,
        seconds: ask.seconds,
        legs: reached.filter(l => l.impaired).map(l => l.leg),
      },
      'drill begins',
    );
    this.#arm(running);
    return this.#view(running);
  }

  /** False when there is none of this name here. */
  async stop(drill: string): Promise<boolean> {
    const running = this.#running.get(drill);
    if (running === undefined) return false;
    await this.#end(running, 'ended');
    return true;
  }

  /** The agents end what remains by themselves, when its time is over. */
  async close(): Promise<void> {
    await Promise.all([...this.#running.values()].map(r => this.#end(r, 'ended: this process stops')));
  }

  #arm(running: Running): void {
    const now = this.#o.clock.now();
    running.disarm = this.#o.clock.at(Math.min(now + LOOK_MS, running.endsAt), () => {
      if (this.#o.clock.now() >= running.endsAt) return void this.#end(running, 'over');
      this.#o
        .legs()
        .then(legs => this.#reach(running, legs))
        .catch(error => this.#o.log.error({ drill: running.drill, err: error }, 'bug in a drill'))
        .finally(() => {
          if (this.#running.has(running.drill)) this.#arm(running);
        });
    });
  }

  /** Impairs and tells those of `legs` that are new. */
  async #reach(running: Running, legs: readonly LegRecord[]): Promise<void> {
    const there = legs.filter(l => l.room === running.room && l.participant !== '');
    const wanted = there.filter(l => running.ask.leg === undefined || l.leg === running.ask.leg);
    const fresh = wanted.filter(l => !running.legs.has(l.leg) && l.roles.some(role => role !== 'signal'));
    await Promise.all(fresh.map(l => this.#impair(running, l)));
    if (!this.#running.has(running.drill) || ![...running.legs.values()].some(l => l.impaired)) return;
    for (const l of there)
      if (l.roles.includes('signal') && !running.told.has(l.leg)) {
        running.told.set(l.leg, l.agent);
        this.#tell(l.agent, l.leg, this.#fact(running));
      }
  }

  async #impair(running: Running, { leg, agent, gateway, participant }: LegRecord): Promise<void> {
    const common = { leg, agent, gateway, participant };
    const ms = running.endsAt - this.#o.clock.now();
    try {
      await this.#order(agent, { drill: running.drill, leg, impaired: running.impaired, ms });
      if (!this.#running.has(running.drill)) return void (await this.#order(agent, over(running.drill, leg)));
      running.legs.set(leg, { ...common, impaired: true });
    } catch (error) {
      const { text = '' } = terminationOf(error);
      running.legs.set(leg, { ...common, impaired: false, text });
    }
  }

  async #end(running: Running, how: string): Promise<void> {
    if (!this.#running.has(running.drill)) return;
    this.#forget(running);
    this.#o.log.warn({ drill: running.drill, room: running.room }, `drill ${how}`);
    for (const [leg, agent] of running.told)
      this.#tell(agent, leg, { type: 'drill', drill: running.drill, on: false });
    const impaired = [...running.legs.values()].filter(l => l.impaired);
    const orders = impaired.map(({ leg, agent }) => this.#order(agent, over(running.drill, leg)));
    await Promise.allSettled(orders); // legs that have gone meanwhile
  }

  #forget(running: Running): void {
    running.disarm();
    this.#running.delete(running.drill);
  }

  #order(agent: string, ask: LegDrillAsk): Promise<Json> {
    return this.#o.bus.request(subjects.drill(agent), ask as unknown as Json, { timeoutMs: ASK_MS });
  }

  #tell(agent: string, leg: string, fact: Json): void {
    this.#o.bus.publish(subjects.command(agent), { leg, command: { type: 'fact', fact } });
  }

  /** What members are told: the page shows it as a banner. */
  #fact(running: Running): Json {
    const { direction, impairment, leg } = running.ask;
    const participant = leg === undefined ? undefined : running.legs.get(leg)?.participant;
    return {
      type: 'drill',
      drill: running.drill,
      on: true,
      impairment: wordsOf(impairment),
      text: describeImpairment(impairment),
      direction,
      ...(participant !== undefined && { participant }),
      secondsLeft: this.#secondsLeft(running),
    };
  }

  #secondsLeft(running: Running): number {
    return Math.max(0, Math.ceil((running.endsAt - this.#o.clock.now()) / 1000));
  }

  #view(r: Running): DrillView {
    return {
      drill: r.drill,
      room: r.room,
      ...(r.ask.leg !== undefined && { leg: r.ask.leg }),
      impairment: wordsOf(r.ask.impairment),
      direction: r.ask.direction,
      startedAt: r.startedAt,
      endsAt: r.startedAt + r.ask.seconds * 1000,
      legs: [...r.legs.values()].map(({ agent, ...leg }) => leg),
    };
  }
}

const over = (drill: string, leg: string): LegDrillAsk => ({ drill, leg, impaired: null, ms: 0 });

function roomOf(ask: DrillAsk, legs: readonly LegRecord[]): string {
  const found = legs.find(l => (ask.leg === undefined ? l.room === ask.room : l.leg === ask.leg));
  if (found !== undefined) return found.room;
  throw ask.leg === undefined
    ? refuse('client', 'no-such-room', `There is nobody in room ${ask.room}; see GET /api/v1/rooms.`)
    : refuse('client', 'no-such-leg', `There is no leg ${ask.leg}; see GET /api/v1/legs.`);
}

function impairedOf({ direction, impairment }: DrillAsk, seed: number): LegDrill {
  const on = (way: DrillAsk['direction']): Impairment | undefined =>
    direction === 'both' || direction === way ? impairment : undefined;
  const [toMember, fromMember] = [on('to-member'), on('from-member')];
  return { ...(toMember && { toMember }), ...(fromMember && { fromMember }), seed };
}
