import type { Agent, Clock, Leg, LegEvent, LegRequest, Seat, Termination } from '../../../src/contract.ts';
import type { Random } from '../../../src/kit/random.ts';
import { refuse } from '../../../src/kit/refusal.ts';

const HUNG_UP: Termination = { blame: 'none', reason: 'hung-up' };
/** Binding a leg takes up to so long, and so does its goodbye. */
const BUSY_MS = 40;

interface Bound {
  readonly port: number;
  readonly seat: Seat;
  readonly emit: (e: LegEvent) => void;
  readonly unpublish: () => void;
  closing: boolean;
  absent: boolean;
}

/** An agent that holds what a real one holds: a port a leg, from `take` to `closed`, and a track in the room. */
export class PortAgent implements Agent {
  readonly formats = ['PCMU'];
  readonly capacity: number;
  readonly id: string;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #free: number[];
  /** Legs being bound, and those that are. */
  readonly #binding = new Set<string>();
  readonly legs = new Map<string, Bound>();
  /** What should never be asked of an agent. */
  readonly faults: string[] = [];

  constructor(id: string, capacity: number, clock: Clock, random: Random) {
    this.id = id;
    this.capacity = capacity;
    this.#clock = clock;
    this.#random = random;
    this.#free = Array.from({ length: capacity }, (_, n) => 20_000 + n);
  }

  start = async () => [];
  close = async (): Promise<void> => {};
  ticketUrl = (_: unknown, token: string): string => `rtmp://${this.id}/${token}`;

  /** Ports that are neither free nor a leg's. */
  get lostPorts(): number {
    return this.capacity - this.#free.length - this.legs.size - this.#binding.size;
  }
  get binding(): number {
    return this.#binding.size;
  }

  take = async (request: LegRequest, seat: Seat, emit: (e: LegEvent) => void): Promise<Leg> => {
    const { leg } = request;
    if (this.legs.has(leg) || this.#binding.has(leg)) this.faults.push(`${leg} was taken twice`);
    const port = this.#free.pop();
    if (port === undefined) {
      this.faults.push(`${leg} was taken though no port is free`);
      throw refuse('server', 'no-port', 'No port is free.');
    }
    this.#binding.add(leg);
    await this.#later();
    this.#binding.delete(leg);
    const mic = { source: 'mic', format: PCMU, canKeyframe: false, syncGroup: leg } as const;
    const publication = request.roles.includes('send') ? seat.publish(mic, () => {}) : undefined;
    seat.confirmed();
    const unwatch = seat.watch(() => {});
    const bound: Bound = {
      port,
      seat,
      emit,
      unpublish: () => {
        publication?.close();
        unwatch();
      },
      closing: false,
      absent: false,
    };
    this.legs.set(leg, bound);
    emit({ type: 'description', id: 0, native: {} });
    return {
      handle: command => {
        if (command.type === 'close') void this.#close(leg, bound, command.why);
      },
      stats: () => [],
    };
  };

  /** The peer is gone: the leg ends by itself. */
  drop(leg: string): void {
    const bound = this.legs.get(leg);
    if (bound !== undefined) void this.#close(leg, bound, HUNG_UP);
  }

  /** The peer's network. */
  absent(leg: string, on: boolean): void {
    const bound = this.legs.get(leg);
    if (bound === undefined || bound.absent === on) return;
    bound.absent = on;
    bound.seat.absent(on);
  }

  async #close(leg: string, bound: Bound, why: Termination): Promise<void> {
    if (bound.closing) return;
    bound.closing = true;
    await this.#later();
    bound.unpublish();
    this.legs.delete(leg);
    this.#free.push(bound.port);
    bound.emit({ type: 'closed', why });
  }

  #later(): Promise<void> {
    return new Promise(done => this.#clock.at(this.#clock.now() + this.#random() * BUSY_MS, done));
  }
}

const PCMU = { codec: 'PCMU', clockRate: 8000 } as const;
