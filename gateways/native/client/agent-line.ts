import { randomBytes } from 'node:crypto';
import type { Clock, Termination } from '../../../src/contract.ts';
import type { Suite } from '../../../src/proto/artp/keys.ts';
import type { RouterOffer } from '../../../src/proto/artp/relay/relay-routes.ts';
import { Session } from '../../../src/proto/artp/session/session.ts';
import {
  type Route,
  SESSION_TIMES,
  type SessionEvent,
  type SessionState,
} from '../../../src/proto/artp/session/types.ts';
import type { Pipe } from '../pipe.ts';
import { Running } from '../running.ts';
import { Carriers, routeOf } from './carriers.ts';
import type { Target } from './target.ts';
import { Timers } from './timers.ts';

/** What a session is made of. */
export interface Joined {
  readonly secret: Uint8Array;
  readonly suite: Suite;
  /** Ids of what the agent sends us, and we the agent. */
  readonly connection: Uint8Array;
  readonly theirs: Uint8Array;
  readonly reset: Uint8Array | undefined;
  /** How long the seat is kept, ms. */
  readonly keepMs: number;
  /** The stream it began by. */
  readonly pipe: Pipe | undefined;
  /** Where the agent is, and its numeric address. */
  readonly target: Target;
  readonly address: string;
}

export interface AgentLineOptions {
  readonly clock: Clock;
  readonly on: (e: SessionEvent) => void;
  /** Opens another stream to the same agent. Rejects when it cannot be had. */
  readonly reopen: (target: Target) => Promise<Pipe>;
  /** Nobody seems to be at the other end any more. May be said again and again. */
  readonly deserted: () => void;
}

export const GOODBYE_MS = 1000;
/** A playout delay that redundancy may cost, ms. */
const BUDGET_MS = 100;
const REOPEN_MS = [250, 1000, 2000, 5000];
/** While nothing is heard, a new socket is tried so often: its old way may lead nowhere any more. */
const REBIND_MS = 5000;
/** Nothing heard for so long, though asked: perhaps by another socket. */
const UNHEARD_MS = 500;
/** Who takes no stream and is silent for so long, though asked, is no more. */
const DESERTED_MS = 1000;

/** The session of a member with one agent, and what keeps it going: its socket, its stream, its routers. */
export class AgentLine {
  readonly joined: Joined;
  readonly running: Running;
  readonly #o: AgentLineOptions;
  readonly #carriers: Carriers;
  readonly #timers: Timers;
  readonly #udpRoute: Route;
  #reopened = 0;
  #reopening = false;
  /** A stream was refused, and nothing has been heard since: when, and the count of packets then. */
  #refused: { readonly at: number; readonly heard: number } | undefined;
  #stopped = false;

  constructor(joined: Joined, o: AgentLineOptions) {
    const { secret, suite, connection: ours, theirs, keepMs, reset, address, target } = joined;
    this.joined = joined;
    this.#o = o;
    this.#timers = new Timers(o.clock);
    this.#udpRoute = { kind: 'udp', address, port: target.udpPort };
    this.#carriers = new Carriers(o.clock, address, (bytes, route) => this.#receive(bytes, route));
    const session = new Session({
      side: 'client',
      secret,
      suite,
      ours,
      theirs,
      random: randomBytes,
      times: { ...SESSION_TIMES, keepMs },
      budgetMs: BUDGET_MS,
      ...(reset !== undefined && { reset }),
      now: o.clock.now(),
      transmit: this.#carriers.transmit,
      count: () => {},
    });
    this.running = new Running(session, o.clock, e => this.#event(e));
  }

  /** Opens the socket; what comes of it is told by `on`. Rejects when the system gives none and there is no stream. */
  async begin(): Promise<void> {
    const { pipe } = this.joined;
    await this.#carriers.openUdp().catch(error => {
      if (pipe === undefined) throw error;
    });
    if (this.#stopped) return;
    this.#route(this.#udpRoute, true);
    if (pipe !== undefined) this.#route(this.#carriers.add(pipe), true);
    else this.#reopen();
  }

  get state(): SessionState {
    return this.running.session.state;
  }
  /** Nothing is heard, though it should be. */
  get isSilent(): boolean {
    if (this.state !== 'active') return true;
    const { at, heard } = this.#refused ?? { at: Number.POSITIVE_INFINITY, heard: 0 };
    return heard === this.#heard && this.#o.clock.now() - at >= DESERTED_MS;
  }

  /** Routers between us and the agent; the first that are told are taken. */
  relay(routers: readonly RouterOffer[]): void {
    const { connection: ours, theirs } = this.joined;
    this.#carriers.relay({ routers, ours, theirs, on: (route, isOpen) => this.#route(route, isOpen) });
  }

  /** Packets leave by a new socket at once. Rejects when the system gives none. */
  async networkChanged(): Promise<void> {
    await this.#carriers.openUdp();
    if (this.#stopped) return;
    this.#route(this.#udpRoute, false);
    this.#route(this.#udpRoute, true);
    this.#reopen();
  }

  /** A packet that came by a stream; those of others are passed over. */
  packet(bytes: Buffer, pipe: Pipe): void {
    if (this.#carriers.has(pipe)) this.#receive(bytes, routeOf(pipe));
  }
  /** A stream has closed: the session goes on, and another one is opened. */
  pipeClosed(pipe: Pipe): void {
    if (this.#stopped || !this.#carriers.has(pipe)) return;
    this.#route(this.#carriers.drop(pipe), false);
    this.#reopen();
  }

  /** Another agent has the member now: this one is told, and may hear it or not. */
  leave(why: Termination): void {
    this.running.session.close(why, this.#o.clock.now());
    this.running.turn();
    this.#timers.after(GOODBYE_MS, () => this.stop());
  }
  /** Nothing is sent or told any more. Idempotent. */
  stop(): void {
    this.#stopped = true;
    this.#timers.stop();
    this.running.stop();
    this.#carriers.close();
  }

  get #heard(): number {
    return this.running.session.stats().heardPackets;
  }

  #receive(bytes: Buffer, route: Route): void {
    if (this.#stopped) return;
    this.running.session.receive(bytes, route, this.#o.clock.now());
    this.running.turn();
  }

  #route(route: Route, isOpen: boolean): void {
    const { session } = this.running;
    if (isOpen) session.addRoute(route, this.#o.clock.now());
    else session.dropRoute(route, this.#o.clock.now());
    this.running.turn();
  }

  #event(e: SessionEvent): void {
    if (this.#stopped) return;
    if (e.type === 'state') this.#stateIs(e.state);
    this.#o.on(e);
  }

  #stateIs(state: SessionState): void {
    if (state === 'active') this.#reopened = 0;
    if (state === 'suspect') this.#lookAround();
    // Neither packets nor a stream: the agent may be no more.
    if (state === 'detached' || (state === 'suspect' && this.#carriers.streams === 0)) this.#o.deserted();
  }

  /** Nothing is heard: by another socket, by another stream? Goes on for as long as that lasts. */
  #lookAround(): void {
    const { state } = this;
    if (this.#stopped || (state !== 'suspect' && state !== 'detached')) return;
    this.networkChanged().catch(() => {});
    this.#timers.after(REBIND_MS, () => this.#lookAround());
  }

  /** Is anybody there? A socket that works is kept: what is known of its way is lost with it, and sound meanwhile. */
  #askAround(heard: number): void {
    this.running.session.ask(this.#o.clock.now());
    this.running.turn();
    this.#timers.after(UNHEARD_MS, () => {
      if (this.#heard === heard) this.networkChanged().catch(() => {});
    });
  }

  /** Another stream in place of the one that closed. */
  #reopen(): void {
    if (this.#stopped || this.#reopening || this.#carriers.streams > 0) return;
    this.#reopening = true;
    const wait = REOPEN_MS[Math.min(this.#reopened++, REOPEN_MS.length - 1)] as number;
    this.#timers.after(wait, () => {
      const opening = this.#o.reopen(this.joined.target);
      opening.then(pipe => this.#reopenedBy(pipe)).catch(() => this.#refusedStream());
    });
  }

  #reopenedBy(pipe: Pipe): void {
    this.#reopening = false;
    this.#refused = undefined;
    const route = this.#carriers.add(pipe);
    if (!this.#stopped) this.#route(route, true);
  }

  #refusedStream(): void {
    this.#reopening = false;
    if (this.#stopped) return;
    if (this.isSilent) this.#o.deserted();
    else if (this.#refused?.heard !== this.#heard) {
      this.#refused = { at: this.#o.clock.now(), heard: this.#heard };
      this.#askAround(this.#heard);
    }
    this.#reopen();
  }
}
