import { randomBytes } from 'node:crypto';
import type { Host, Json, Termination } from '../../src/contract.ts';
import { DrillLine } from '../../src/io/impaired.ts';
import { terminationOf } from '../../src/kit/refusal.ts';
import type { Suite } from '../../src/proto/artp/keys.ts';
import { Session } from '../../src/proto/artp/session/session.ts';
import { type Route, SESSION_TIMES, type SessionEvent } from '../../src/proto/artp/session/types.ts';
import type { NativeLeg, Standing } from './leg.ts';
import type { Receiver } from './members.ts';
import { Running } from './running.ts';

/** Who said HELLO, or showed a ticket, and was never heard again does not keep anything. */
const OPENING_MS = 10_000;
/** What redundancy may cost, ms of playout delay. */
const BUDGET_MS = 100;
/** Asked for while the leg is still being placed. */
const MAX_EARLY = 256;

export interface SessionMaterial {
  readonly secret: Uint8Array;
  readonly suite: Suite;
  readonly ours: Uint8Array;
  readonly theirs: Uint8Array;
}

export interface ServedOptions extends SessionMaterial {
  readonly host: Host;
  readonly transmit: (bytes: Uint8Array, length: number, route: Route) => void;
  /** Datagrams from `route` are this one's. */
  readonly bind: (served: Served, route: Route, on: boolean) => void;
  /** A packet under these keys has opened: whoever has them is there. */
  readonly opened?: (served: Served) => void;
  /** The session is over, and nothing of it is left. */
  readonly gone: (served: Served) => void;
}

/** One member: its session, and the leg it is. */
export class Served implements Receiver {
  readonly connection: Uint8Array;
  readonly running: Running;
  /** Aborts with the session. */
  readonly over = new AbortController();
  readonly #o: ServedOptions;
  readonly #early: Json[] = [];
  /** What comes and goes by UDP; streams keep their own ways. */
  readonly #line: DrillLine<Route>;
  #leg: NativeLeg | undefined;
  #away = false;
  /** It is to end, for this reason, as soon as somebody is there to be told. */
  #why: Termination | undefined;
  #opened = false;
  #over = false;
  #disarm: () => void;

  constructor(o: ServedOptions) {
    this.#o = o;
    this.connection = o.ours;
    const { host } = o;
    const now = host.clock.now();
    this.#line = new DrillLine<Route>({
      clock: host.clock,
      send: o.transmit,
      receive: (datagram, route, now) => this.#arrived(datagram, route, now),
    });
    const session = new Session({
      ...o,
      transmit: (bytes, length, route) => {
        if (route.kind === 'udp') this.#line.send(bytes, length, route);
        else o.transmit(bytes, length, route);
      },
      side: 'server',
      random: randomBytes,
      times: { ...SESSION_TIMES, keepMs: host.sessionKeepMs },
      budgetMs: BUDGET_MS,
      now,
      count: reason => host.count('dropped', reason),
    });
    this.#disarm = host.clock.at(now + OPENING_MS, () => this.#neverHeard());
    this.running = new Running(session, host.clock, e => this.#event(e));
  }

  /** From here on it is this leg's. */
  seat(leg: NativeLeg, ways: Standing['ways']): void {
    if (this.#over) return;
    this.#leg = leg;
    leg.begin({ running: this.running, impair: d => this.#line.drill(d), ways });
    for (const message of this.#early.splice(0)) leg.message(message);
  }

  receive(datagram: Uint8Array, route: Route, now: number): void {
    if (route.kind === 'udp' && this.#line.impairsIn) this.#line.receive(Buffer.from(datagram), route, now);
    else this.#arrived(datagram, route, now);
  }

  #arrived(datagram: Uint8Array, route: Route, now: number): void {
    if (this.#over) return;
    try {
      this.running.session.receive(datagram, route, now);
      this.running.turn();
    } catch (error) {
      this.#o.host.log.error({ err: error }, 'bug in a native leg');
      this.end(terminationOf(error));
    }
  }

  /** A stream or a socket is gone. */
  dropRoute(route: Route): void {
    if (this.#over) return;
    this.running.session.dropRoute(route, this.#o.host.clock.now());
    this.running.turn();
  }

  /** The leg ends, if it has not; and the member is told why. */
  end(why: Termination): void {
    if (this.#over || this.#why !== undefined) return;
    this.#why = why;
    this.#leg?.close(why);
    if (this.running.session.state !== 'opening') this.#sayWhy(why); // else nobody knows yet where to say it
  }

  /** At once, whether the member knows or not. Idempotent. */
  stop(): void {
    if (this.#over) return;
    this.#over = true;
    this.#disarm();
    this.running.stop();
    this.#line.close();
    this.over.abort();
    this.#o.gone(this);
  }

  #event(e: SessionEvent): void {
    switch (e.type) {
      case 'message':
        if (this.#leg !== undefined) this.#leg.message(e.message);
        else if (this.#early.length < MAX_EARLY) this.#early.push(e.message);
        return;
      case 'route':
        return this.#o.bind(this, e.route, e.on);
      case 'state':
        return this.#stateIs(e.state);
      case 'ended':
        this.#leg?.close(e.why);
        return this.stop();
    }
  }

  #stateIs(state: string): void {
    if (state === 'gone') return; // `ended` follows
    if (this.#why !== undefined) return this.#sayWhy(this.#why);
    if (!this.#opened) {
      this.#opened = true;
      this.#disarm();
      this.#o.opened?.(this);
    }
    // `suspect` is often over before anybody noticed; from `detached` on the room sees `away`.
    if (state !== 'active' && state !== 'detached') return;
    const away = state === 'detached';
    if (away !== this.#away) this.#leg?.absent(away);
    this.#away = away;
  }

  #sayWhy(why: Termination): void {
    this.running.session.close(why, this.#o.host.clock.now());
    this.running.turn();
  }

  #neverHeard(): void {
    this.#leg?.close({
      blame: 'client',
      reason: 'never-heard',
      text: `The member was let in, and nothing was heard of it in ${OPENING_MS / 1000} s: no way of it leads here.`,
    });
    this.stop();
  }
}
