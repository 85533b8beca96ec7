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
import { Refusal, terminationOf } from '../kit/refusal.ts';
import type { ClockSink, Layout, Pull, SourceEvent, TrackState } from '../media/room-source.ts';
import { isSignalling } from '../room/participant.ts';
import type { JoinAsk, Joined, LegNotice, RoomPort } from '../room/port.ts';
import { SteadyPublication } from './steady-publication.ts';

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

interface Held {
  readonly ask: JoinAsk;
  readonly on: (n: LegNotice) => void;
  readonly publications: Map<string, SteadyPublication>;
  readonly muted: { audio: boolean; video: boolean };
  joined: Joined | undefined;
  confirmed: boolean;
  absent: boolean;
  /** It left while there was no room: the next one is told. */
  leaving: Termination | undefined;
}

/**
 * The way of this process to a room that stays the same while the room moves: when its process dies or hands it on, the
 * legs that came by here join the next one as who they were, publish what they published, and watch on. They notice a
 * gap, and nothing else. Lives while a leg is in the room.
 */
export class SteadyRoom implements RoomPort {
  readonly room: string;
  readonly #o: SteadyRoomOptions;
  readonly #legs = new Map<string, Held>();
  readonly #listeners = new Set<(e: SourceEvent) => void>();
  /** What each watch is undone by; undefined while there is no room. */
  readonly #watches = new Map<(e: RoomEvent) => void, (() => void) | undefined>();
  #inner: RoomPort | undefined;
  #unlisten: () => void = () => {};
  #finding: Promise<RoomPort> | undefined;
  /** Legs that were in the room when it was lost, and have yet to join it where it is now. */
  readonly #adrift = new Map<string, Held>();
  #returning = false;

  constructor(options: SteadyRoomOptions) {
    this.room = options.room;
    this.#o = options;
  }

  async join(ask: JoinAsk, on: (n: LegNotice) => void): Promise<Joined> {
    const held: Held = {
      ask,
      on,
      publications: new Map(),
      muted: { audio: false, video: false },
      joined: undefined,
      confirmed: false,
      absent: false,
      leaving: undefined,
    };
    this.#legs.set(ask.leg, held);
    try {
      for (let tries = 1, suspect = false; ; tries++)
        try {
          const port = await this.#port(ask.who.address, suspect);
          return await this.#joinAt(port, ask.leg, held);
        } catch (error) {
          const { reason } = terminationOf(error);
          suspect = SILENT.has(reason);
          if (tries === JOIN_TRIES || !(suspect || ELSEWHERE.has(reason))) throw error;
          if (tries > 1) await this.#wait(FIRST_WAIT_MS * tries);
        }
    } catch (error) {
      if (this.#legs.get(ask.leg) === held) this.#legs.delete(ask.leg);
      this.#endIfUnused();
      throw error;
    }
  }

  async #joinAt(port: RoomPort, leg: string, held: Held): Promise<Joined> {
    this.#attach(port);
    const { joined, ask } = held;
    const { audio, video } = held.muted;
    const asked: JoinAsk = joined
      ? {
          ...ask,
          who: { ...ask.who, credential: joined.secret },
          reclaim: { ...joined, muted: { audio, video } },
        }
      : ask;
    let made: Joined;
    try {
      made = await port.join(asked, n => this.#notice(port, leg, held, n));
    } catch (error) {
      const { reason } = terminationOf(error);
      if (SILENT.has(reason) || ELSEWHERE.has(reason)) this.#drift(port);
      throw error;
    }
    if (this.#legs.get(leg) !== held) {
      port.leave(leg, LEFT);
      throw new Refusal(LEFT);
    }
    if (this.#inner !== port) {
      // The room went on elsewhere meanwhile, and whoever was in it there has been told already.
      port.leave(leg, MOVED);
      throw new Refusal(MOVED);
    }
    if (joined !== undefined && made.participant !== joined.participant) {
      // Who signals has told its peer who it is, and speaks in that name: it must ask anew.
      if (isSignalling(ask.roles)) {
        port.leave(leg, LEFT);
        throw new Refusal({
          blame: 'server',
          reason: 'name-taken',
          text: `You are ${made.participant} now; join again.`,
        });
      }
      this.#o.renamed(leg, made.participant);
    }
    held.joined = made;
    return made;
  }

  #notice(port: RoomPort, leg: string, held: Held, n: LegNotice): void {
    if (this.#legs.get(leg) !== held) return;
    if (n.type === 'mute') held.muted[n.media] = n.on;
    if (n.type !== 'close') return held.on(n);
    if (held.joined !== undefined && ADRIFT.has(n.why.reason)) return this.#lost(port, n.why);
    if (this.#inner !== port) return; // it has joined elsewhere meanwhile
    this.#legs.delete(leg);
    // The room has ended what it published; a leg of the same id may publish there since.
    for (const p of held.publications.values()) p.rest();
    held.on(n);
    this.#endIfUnused();
  }

  /** One search for all who want the room at the same moment. */
  #port(address: string | undefined, suspect: boolean): Promise<RoomPort> {
    if (this.#inner !== undefined) return Promise.resolve(this.#inner);
    if (this.#finding !== undefined) return this.#finding;
    const finding = this.#o.find(this.room, address, suspect).finally(() => {
      if (this.#finding === finding) this.#finding = undefined;
    });
    this.#finding = finding;
    return finding;
  }

  #attach(port: RoomPort): void {
    if (this.#inner === port) return;
    if (this.#inner !== undefined) this.#drift(this.#inner);
    this.#inner = port;
    this.#unlisten = port.on(e => this.#tell(e));
    for (const track of port.tracks()) this.#tell({ type: 'track', track });
    this.#tell({ type: 'speakers', participants: port.speakers() });
    this.#tell({ type: 'layout', layout: port.layout() });
  }

  /**
   * The store has named a process that hosts the room. If the room was elsewhere so far, its host is cut off from the bus
   * and knows nothing of it: the legs of this process go to where those go who join now.
   */
  async follow(): Promise<void> {
    const port = this.#inner;
    if (port === undefined) return; // it is being looked for
    const there = await this.#o.find(this.room, undefined, false);
    if (there !== port) this.#lost(port, MOVED);
  }

  /** The room is not there any more: nothing comes from it. */
  #drift(port: RoomPort): void {
    if (this.#inner !== port) return;
    this.#inner = undefined;
    this.#unlisten();
    const tracks = [...port.tracks()];
    for (const [on, undo] of this.#watches) {
      undo?.();
      this.#watches.set(on, undefined);
    }
    for (const { publications } of this.#legs.values()) for (const p of publications.values()) p.rest();
    for (const { info } of tracks) this.#tell({ type: 'untrack', id: info.id });
    this.#tell({ type: 'speakers', participants: [] });
  }

  /** Its legs go where the room is now. */
  #lost(port: RoomPort, why: Termination): void {
    if (this.#inner !== port) return;
    const legs = [...this.#legs].filter(([, held]) => held.joined !== undefined);
    for (const [leg, held] of legs) this.#adrift.set(leg, held);
    this.#drift(port);
    // Not from inside what the room says: it may be saying it to the next leg.
    queueMicrotask(() => {
      for (const [leg] of legs) port.leave(leg, why);
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
    let suspect = why.reason === 'room-lost';
    for (let waitMs = FIRST_WAIT_MS; ; waitMs = Math.min(2 * waitMs, LONGEST_WAIT_MS)) {
      const refused = await Promise.all(
        [...this.#adrift].map(([leg, held]) => this.#again(leg, held, suspect)),
      );
      if (this.#adrift.size === 0) return;
      const last = refused.findLast(r => r !== undefined)?.reason;
      if (clock.now() + waitMs - since > (last === 'no-room-node' ? NO_NODE_MS : ADRIFT_MS)) {
        for (const [leg, held] of this.#adrift) this.#giveUp(leg, held, why);
        if (last === 'no-room-node') this.#o.abandon(this.room);
        return;
      }
      suspect = last !== undefined && SILENT.has(last);
      await this.#wait(waitMs);
    }
  }

  #giveUp(leg: string, held: Held, why: Termination): void {
    this.#adrift.delete(leg);
    if (this.#legs.get(leg) !== held) return;
    this.#legs.delete(leg);
    if (held.leaving === undefined) held.on({ type: 'close', why });
  }

  /** One try of one leg; what was said when it may be tried again. */
  async #again(leg: string, held: Held, suspect: boolean): Promise<Termination | undefined> {
    try {
      const port = await this.#port(held.ask.who.address, suspect);
      if (this.#legs.get(leg) === held) await this.#joinAt(port, leg, held);
      if (this.#inner === port) this.#begin(port, leg, held);
    } catch (error) {
      const why = terminationOf(error);
      if (MAY_PASS.has(why.reason)) return why;
      this.#giveUp(leg, held, why);
    }
    return undefined;
  }

  /** It has joined the next room: what it did in the one before goes on. */
  #begin(port: RoomPort, leg: string, held: Held): void {
    this.#adrift.delete(leg);
    if (held.leaving !== undefined) {
      this.#legs.delete(leg);
      return port.leave(leg, held.leaving);
    }
    for (const p of held.publications.values()) p.begin(port, leg);
    if (held.confirmed) port.confirmed(leg);
    if (held.absent) port.absent(leg, true);
    for (const [on, undo] of this.#watches) if (undo === undefined) this.#watches.set(on, port.watch(on));
  }

  publish(leg: string, id: string, track: NewTrack, on: (f: Feedback) => void): Publication {
    const held = this.#legs.get(leg);
    const publication = new SteadyPublication(id, track, on, () => held?.publications.delete(id));
    if (held === undefined || held.leaving !== undefined) return publication; // what it says goes nowhere
    held.publications.set(id, publication);
    if (this.#inner !== undefined) publication.begin(this.#inner, leg);
    return publication;
  }

  confirmed(leg: string): void {
    const held = this.#legs.get(leg);
    if (held === undefined) return;
    held.confirmed = true;
    this.#inner?.confirmed(leg);
  }

  absent(leg: string, on: boolean): void {
    const held = this.#legs.get(leg);
    if (held === undefined) return;
    held.absent = on;
    this.#inner?.absent(leg, on);
  }

  leave(leg: string, why: Termination): void {
    const held = this.#legs.get(leg);
    if (held === undefined) return;
    if (this.#adrift.has(leg)) return void (held.leaving ??= why);
    this.#legs.delete(leg);
    this.#inner?.leave(leg, why);
    this.#endIfUnused();
  }

  tracks(): Iterable<TrackState> {
    return this.#inner?.tracks() ?? [];
  }
  speakers(): readonly string[] {
    return this.#inner?.speakers() ?? [];
  }
  layout(): Layout {
    return this.#inner?.layout() ?? 'speaker';
  }
  on(listener: (e: SourceEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }
  pull(track: string, sink: Sink<MediaPacket>, clock: ClockSink): Pull {
    return this.#inner?.pull(track, sink, clock) ?? { feedback() {}, close() {} };
  }

  watch(on: (e: RoomEvent) => void): () => void {
    const own = (e: RoomEvent): void => on(e); // the same function twice is two watches
    this.#watches.set(own, undefined);
    if (this.#inner !== undefined) this.#watches.set(own, this.#inner.watch(own));
    return () => {
      this.#watches.get(own)?.();
      this.#watches.delete(own);
    };
  }

  #tell(e: SourceEvent): void {
    for (const listener of [...this.#listeners]) listener(e);
  }

  #endIfUnused(): void {
    if (this.#legs.size > 0 || this.#returning || this.#inner === undefined) return;
    this.#drift(this.#inner);
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
