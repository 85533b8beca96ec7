import type {
  Clock,
  Feedback,
  MediaPacket,
  NewTrack,
  Publication,
  RoomEvent,
  Sink,
  Termination,
} from '../contract.ts';
import { Refusal, refuse, terminationOf } from '../kit/refusal.ts';
import type { ClockSink, Layout, Pull, SourceEvent, TrackState } from '../media/room-source.ts';
import { isSignalling } from '../room/participant.ts';
import type { JoinAsk, Joined, LegNotice, RoomPort } from '../room/port.ts';
import { SteadyLeg } from './steady-leg.ts';
import { SteadyPublication } from './steady-publication.ts';
import { SteadySource } from './steady-source.ts';

export interface SteadyRoomOptions {
  readonly room: string;
  readonly clock: Clock;
  /** The way to the room as it is now. `suspect`: the process it led to did not answer. */
  readonly find: (room: string, address: string | undefined, suspect: boolean) => Promise<RoomPort>;
  /** Its participant has another id there: somebody else has the one it had. */
  readonly renamed: (leg: string, participant: string) => void;
  /** There is no process that could host it, and its legs have ended. */
  readonly abandon: (room: string) => void;
}

/** The room is not where it was: it is looked for anew, and the leg joins there. */
const ELSEWHERE = new Set(['room-moved', 'room-elsewhere', 'room-ended', 'draining']);
/** Its process does not answer. */
const SILENT = new Set(['room-lost', 'room-unreachable', 'untrusted', 'no-responder', 'link-closed']);
/** Nothing is known until the bus is there again. */
const UNKNOWN = new Set(['bus-down', 'timeout', 'room-contested']);
const MAY_PASS = new Set([...ELSEWHERE, ...SILENT, ...UNKNOWN, 'no-room-node']);
/** A leg is told by its room that it is over; all other notices of an end are the room's, for this leg. */
const ADRIFT = new Set(['room-moved', 'room-lost']);

/** A join that meets a dead or moving room is tried so often. */
const JOIN_TRIES = 4;
const FIRST_WAIT_MS = 50;
const LONGEST_WAIT_MS = 1000;
/** How long legs without a room are kept while one is looked for; and while no process is alive that could host it. */
const ADRIFT_MS = 15_000;
const NO_NODE_MS = 3000;

/**
 * The way of this process to a room that stays the same while the room moves: when its process dies or hands it on, the
 * legs that came by here join the next one as who they were, publish what they published, and watch on. They notice a
 * gap, and nothing else. Lives while a leg is in the room.
 */
export class SteadyRoom implements RoomPort {
  readonly room: string;
  readonly #o: SteadyRoomOptions;
  readonly #source: SteadySource;
  readonly #legs = new Map<string, SteadyLeg>();
  #finding: Promise<RoomPort> | undefined;
  /** Legs that were in the room when it was lost, and have yet to join it where it is now. */
  readonly #adrift = new Set<SteadyLeg>();
  #returning = false;

  constructor(options: SteadyRoomOptions) {
    this.room = options.room;
    this.#o = options;
    this.#source = new SteadySource(options.room);
  }

  async join(ask: JoinAsk, on: (n: LegNotice) => void): Promise<Joined> {
    const leg = new SteadyLeg(ask, on);
    this.#legs.set(leg.id, leg);
    try {
      for (let tries = 1, suspect = false; ; tries++)
        try {
          const port = await this.#port(ask.who.address, suspect);
          return await this.#joinAt(port, leg);
        } catch (error) {
          const { reason } = terminationOf(error);
          suspect = SILENT.has(reason);
          if (tries === JOIN_TRIES || !(suspect || ELSEWHERE.has(reason))) throw error;
          if (tries > 1) await this.#wait(FIRST_WAIT_MS * tries);
        }
    } catch (error) {
      if (this.#holds(leg)) this.#legs.delete(leg.id);
      this.#endIfUnused();
      throw error;
    }
  }

  /** It has neither left nor ended, and no other of its id has come. */
  #holds(leg: SteadyLeg): boolean {
    return this.#legs.get(leg.id) === leg;
  }

  async #joinAt(port: RoomPort, leg: SteadyLeg): Promise<Joined> {
    this.#attach(port);
    const { joined, id } = leg;
    let made: Joined;
    try {
      made = await port.join(leg.askAgain(), n => this.#notice(port, leg, n));
    } catch (error) {
      const why = terminationOf(error);
      if (SILENT.has(why.reason) || ELSEWHERE.has(why.reason)) this.#lost(port, why);
      throw error;
    }
    if (!this.#holds(leg)) {
      if (!this.#legs.has(id)) port.leave(id, LEFT); // else it is another's there, too
      throw new Refusal(LEFT);
    }
    if (this.#source.port !== port) {
      // The room went on elsewhere meanwhile, and whoever was in it there has been told already.
      port.leave(id, MOVED);
      throw new Refusal(MOVED);
    }
    if (joined !== undefined && made.participant !== joined.participant) this.#rename(port, leg, made);
    leg.joined = made;
    return made;
  }

  #rename(port: RoomPort, { id, ask }: SteadyLeg, { participant }: Joined): void {
    if (!isSignalling(ask.roles)) return this.#o.renamed(id, participant);
    // Who signals has told its peer who it is, and speaks in that name: it must ask anew.
    port.leave(id, LEFT);
    throw refuse('server', 'name-taken', `You are ${participant} now; join again.`);
  }

  #notice(port: RoomPort, leg: SteadyLeg, n: LegNotice): void {
    if (!this.#holds(leg)) return;
    if (n.type !== 'close') return leg.tell(n);
    // One that has joined just now and does not know it yet finds the room elsewhere when it does.
    if (ADRIFT.has(n.why.reason)) return this.#lost(port, n.why);
    if (this.#source.port !== port) return; // it has joined elsewhere meanwhile
    this.#legs.delete(leg.id);
    leg.rest(); // the room has ended what it published; a leg of the same id may publish there since
    leg.tell(n);
    this.#endIfUnused();
  }

  /** One search for all who want the room at the same moment. */
  #port(address: string | undefined, suspect: boolean): Promise<RoomPort> {
    const { port } = this.#source;
    if (port !== undefined) return Promise.resolve(port);
    if (this.#finding !== undefined) return this.#finding;
    const finding = this.#o.find(this.room, address, suspect).finally(() => {
      if (this.#finding === finding) this.#finding = undefined;
    });
    this.#finding = finding;
    return finding;
  }

  #attach(port: RoomPort): void {
    const before = this.#source.port;
    if (before === port) return;
    if (before !== undefined) this.#lost(before, MOVED);
    this.#source.attach(port);
  }

  /**
   * The store has named a process that hosts the room. If the room was elsewhere so far, its host is cut off from the bus
   * and knows nothing of it: the legs of this process go to where those go who join now.
   */
  async follow(): Promise<void> {
    const { port } = this.#source;
    if (port === undefined) return; // it is being looked for
    const there = await this.#o.find(this.room, undefined, false);
    if (there !== port) this.#lost(port, MOVED);
  }

  /** The room is not there any more, nor is what legs publish heard there. */
  #drift(): void {
    this.#source.detach();
    for (const leg of this.#legs.values()) leg.rest();
  }

  /** The room is not there: legs that were in it go where it is now. */
  #lost(port: RoomPort, why: Termination): void {
    if (this.#source.port !== port) return;
    const legs = [...this.#legs.values()].filter(leg => leg.joined !== undefined);
    for (const leg of legs) this.#adrift.add(leg);
    this.#drift();
    if (legs.length === 0) return;
    // Not from inside what the room says: it may be saying it to the next leg.
    queueMicrotask(() => {
      for (const { id } of legs) port.leave(id, MOVED); // whatever is still there keeps them without a word
      if (this.#returning) return;
      this.#returning = true;
      void this.#return(why).finally(() => {
        this.#returning = false;
        this.#endIfUnused();
      });
    });
  }

  /** Until every leg is back, or was refused, or it has lasted too long. */
  async #return(why: Termination): Promise<void> {
    const { clock } = this.#o;
    const since = clock.now();
    let suspect = SILENT.has(why.reason);
    for (let waitMs = FIRST_WAIT_MS; ; waitMs = Math.min(2 * waitMs, LONGEST_WAIT_MS)) {
      const refused = await Promise.all([...this.#adrift].map(leg => this.#again(leg, suspect)));
      if (this.#adrift.size === 0) return;
      const last = refused.findLast(r => r !== undefined)?.reason;
      if (clock.now() + waitMs - since > (last === 'no-room-node' ? NO_NODE_MS : ADRIFT_MS)) {
        for (const leg of this.#adrift) this.#giveUp(leg, why);
        if (last === 'no-room-node') this.#o.abandon(this.room);
        return;
      }
      suspect = last !== undefined && SILENT.has(last);
      await this.#wait(waitMs);
    }
  }

  #giveUp(leg: SteadyLeg, why: Termination): void {
    this.#adrift.delete(leg);
    if (!this.#holds(leg)) return;
    this.#legs.delete(leg.id);
    if (leg.leaving === undefined) leg.tell({ type: 'close', why });
  }

  /** One try of one leg; what was said when it may be tried again. */
  async #again(leg: SteadyLeg, suspect: boolean): Promise<Termination | undefined> {
    try {
      const port = await this.#port(leg.ask.who.address, suspect);
      if (!this.#holds(leg)) return void this.#adrift.delete(leg);
      await this.#joinAt(port, leg);
      if (this.#source.port === port) this.#begin(port, leg);
    } catch (error) {
      const why = terminationOf(error);
      if (MAY_PASS.has(why.reason)) return why;
      this.#giveUp(leg, why);
    }
    return undefined;
  }

  /** It has joined the next room: what it did in the one before goes on. */
  #begin(port: RoomPort, leg: SteadyLeg): void {
    this.#adrift.delete(leg);
    if (!this.#holds(leg)) return; // it was told to close just now
    if (leg.leaving !== undefined) {
      this.#legs.delete(leg.id);
      return port.leave(leg.id, leg.leaving);
    }
    leg.begin(port);
    this.#source.watchAgain();
  }

  publish(leg: string, id: string, track: NewTrack, on: (f: Feedback) => void): Publication {
    const held = this.#legs.get(leg);
    if (held === undefined || held.leaving !== undefined)
      return new SteadyPublication(id, track, on, () => {}); // goes nowhere
    const publication = held.publish(id, track, on);
    const { port } = this.#source;
    if (port !== undefined && !this.#adrift.has(held)) held.beginOne(publication, port);
    return publication;
  }

  confirmed(id: string): void {
    const leg = this.#legs.get(id);
    if (leg === undefined) return;
    leg.confirmed = true;
    this.#source.port?.confirmed(id);
  }

  absent(id: string, on: boolean): void {
    const leg = this.#legs.get(id);
    if (leg === undefined) return;
    leg.absent = on;
    this.#source.port?.absent(id, on);
  }

  leave(id: string, why: Termination): void {
    const leg = this.#legs.get(id);
    if (leg === undefined) return;
    if (this.#adrift.has(leg)) return void (leg.leaving ??= why);
    this.#legs.delete(id);
    this.#source.port?.leave(id, why);
    this.#endIfUnused();
  }

  tracks(): Iterable<TrackState> {
    return this.#source.tracks();
  }
  speakers(): readonly string[] {
    return this.#source.speakers();
  }
  layout(): Layout {
    return this.#source.layout();
  }
  on(listener: (e: SourceEvent) => void): () => void {
    return this.#source.on(listener);
  }
  pull(track: string, sink: Sink<MediaPacket>, clock: ClockSink): Pull {
    return this.#source.pull(track, sink, clock);
  }
  watch(on: (e: RoomEvent) => void): () => void {
    return this.#source.watch(on);
  }

  #endIfUnused(): void {
    if (this.#legs.size === 0 && !this.#returning) this.#drift();
  }

  #wait(ms: number): Promise<void> {
    const { clock } = this.#o;
    return new Promise(resolve => clock.at(clock.now() + ms, resolve));
  }
}

const MOVED: Termination = {
  blame: 'server',
  reason: 'room-moved',
  text: 'This room goes on in another process.',
};
const LEFT: Termination = {
  blame: 'none',
  reason: 'left',
  text: 'The leg left before it had joined.',
};
