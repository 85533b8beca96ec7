import type {
  Address,
  Agent,
  Clock,
  Gateway,
  Host,
  HttpMount,
  Json,
  Leg,
  LegEvent,
  LegRequest,
  MediaPacket,
  Role,
  Termination,
} from '../../src/contract.ts';
import { systemClock } from '../../src/io/clock.ts';
import { Events, FakeSeat, fakeHost } from '../harness/fakes.ts';

/** What no ladder, log line or counter may ever hold. */
export const CREDENTIAL = 's3cret-that-nobody-may-see';

/** How one kind of leg comes about. What is native to a protocol stays in `subjects/`. */
export interface Subject {
  readonly name: string;
  readonly gateway: Gateway;
  /** A config slice for tests: loopback and free ports. */
  readonly config: Readonly<Record<string, Json>>;
  /** The HTTP server its agent needs; made anew for each stage. */
  readonly mount?: () => Promise<TestMount>;
  readonly roles: readonly Role[];
  /** Brings one leg onto the stage as its protocol does. Rejects with the words its peer was given. */
  join(stage: Stage): Promise<Joined>;
  /** When others may see the member: with the leg, with `confirmed`, with the first media. */
  readonly confirmed: 'at-once' | 'by-command' | 'by-media';
  /** Beginnings that are none: `take` refuses each. */
  readonly bad: readonly Json[];
  /** Puts a leg that lives on hold, where the protocol can. */
  readonly hold?: Json;
}

export interface Joined {
  readonly held: HeldLeg;
  /** Its peer goes without a word; absent where a front, not the media, says so. */
  readonly hangUp?: () => void;
}

export interface TestMount extends HttpMount {
  readonly port: number;
  close(): Promise<void>;
}

/** A leg as the platform holds it. */
export interface HeldLeg {
  readonly request: LegRequest;
  readonly seat: FakeSeat;
  readonly events: Events;
  readonly leg: Leg;
}

/** One agent under test, with all the platform it needs. */
export class Stage {
  readonly agent: Agent;
  readonly legs: HeldLeg[] = [];
  /** Every seat given out, of refused legs too. */
  readonly seats: FakeSeat[] = [];
  /** Everything said to logs, ladders and counters, as text. */
  readonly said: string[] = [];
  /** Events of legs that were refused. */
  readonly strays: LegEvent[] = [];
  readonly undo: (() => void | Promise<void>)[] = [];
  readonly clock = new CountingClock();
  readonly mount: TestMount | undefined;
  addresses: readonly Address[] = [];
  readonly #subject: Subject;

  private constructor(subject: Subject, config: Record<string, Json>, mount: TestMount | undefined) {
    this.#subject = subject;
    this.mount = mount;
    const { gateway } = subject;
    const agent = gateway.agent?.(this.#host(), gateway.config.parse(config), `${gateway.name}-1`);
    if (agent === undefined) throw new Error(`${gateway.name} has no agent`);
    this.agent = agent;
  }

  static async open(subject: Subject, config: Record<string, Json> = {}): Promise<Stage> {
    const stage = new Stage(subject, { ...subject.config, ...config }, await subject.mount?.());
    stage.addresses = await stage.agent.start();
    return stage;
  }

  request(begin: LegRequest['begin']): LegRequest {
    const { gateway, roles } = this.#subject;
    return {
      v: 1,
      leg: `leg-${this.seats.length}`,
      trace: 'trace-1',
      gateway: gateway.name,
      direction: begin.type === 'offer' ? 'in' : 'out',
      who: { user: 'alice', proof: 'claimed', credential: CREDENTIAL, address: '127.0.0.1' },
      room: '1000',
      roles,
      begin,
    };
  }

  /** What the agent desk does: a seat, then `take`. Rejects with what the agent throws. */
  async place(request: LegRequest, on: (e: LegEvent) => void = () => {}): Promise<HeldLeg> {
    const seat = new FakeSeat(request.room, request.who.user);
    this.seats.push(seat);
    const events = new Events();
    const emit = (e: LegEvent): void => {
      events.emit(e);
      on(e);
    };
    try {
      const held = { request, seat, events, leg: await this.agent.take(request, seat, emit) };
      this.legs.push(held);
      return held;
    } catch (error) {
      this.strays.push(...events.all);
      throw error;
    }
  }

  /** Ends agent and peers. */
  async close(): Promise<void> {
    await this.agent.close();
    for (const run of this.undo.splice(0)) await run();
    await this.mount?.close();
  }

  #host(): Host {
    const say = (...what: unknown[]): void => void this.said.push(JSON.stringify(what));
    return fakeHost({
      clock: this.clock,
      ...(this.mount && { http: this.mount }),
      log: { debug: say, info: say, warn: say, error: say },
      ladder: (leg, step) => say(leg, step),
      count: (name, reason) => say(name, reason),
      place: async (request, on) => {
        const { leg, seat } = await this.place(request, on);
        return {
          id: request.leg,
          agent: `${request.gateway}-1`,
          participant: seat.participant,
          secret: CREDENTIAL,
          send: c => leg.handle(c),
        };
      },
    });
  }
}

/** The real clock, which knows what it still has to do. */
class CountingClock implements Clock {
  pending = 0;
  now(): number {
    return systemClock.now();
  }
  at(when: number, run: () => void): () => void {
    if (when === Number.POSITIVE_INFINITY) return () => {};
    let armed = true;
    this.pending++;
    const over = (): void => {
      if (armed) this.pending--;
      armed = false;
    };
    const undo = systemClock.at(when, () => {
      over();
      run();
    });
    return () => {
      over();
      undo();
    };
  }
}

/** Lets everything that is under way in this process come to its end. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 20; i++) await new Promise(done => setImmediate(done));
}

/** Sockets, servers and timers that keep this process alive. */
export const handles = (): string[] =>
  process
    .getActiveResourcesInfo()
    .filter(kind => /^(UDP|TCP|TLS|HTTP|Timeout|FS)/.test(kind))
    .sort();

/** What there is more of than `before`. */
export function added(before: readonly string[]): string[] {
  const rest = [...before];
  return handles().filter(kind => {
    const at = rest.indexOf(kind);
    if (at >= 0) rest.splice(at, 1);
    return at < 0;
  });
}

/** A packet of silence, as a room would send it. */
export const packet = (): MediaPacket => ({
  seq: 1,
  pts: 160,
  marker: false,
  payload: new Uint8Array(20).fill(0xff),
  level: 127,
});

export const closedEvents = (events: readonly LegEvent[]): Extract<LegEvent, { type: 'closed' }>[] =>
  events.filter(e => e.type === 'closed');

export const HUNG_UP: Termination = { blame: 'none', reason: 'hung-up', text: 'The suite hung up.' };
