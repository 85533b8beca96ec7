import { randomBytes } from 'node:crypto';
import type {
  Clock,
  Feedback,
  Format,
  Json,
  MediaPacket,
  MemberInfo,
  NewTrack,
  RoomEvent,
  Sink,
  Termination,
  TrackEvent,
  Want,
} from '../../../src/contract.ts';
import { Refusal, refuse } from '../../../src/kit/refusal.ts';
import { checkText } from '../../../src/kit/text.ts';
import type { Suite } from '../../../src/proto/artp/keys.ts';
import type { RouterOffer } from '../../../src/proto/artp/relay/relay-routes.ts';
import { Session } from '../../../src/proto/artp/session/session.ts';
import {
  type PathReport,
  type Route,
  SESSION_TIMES,
  type SessionEvent,
  type SessionState,
  type SessionStats,
} from '../../../src/proto/artp/session/types.ts';
import type { Pipe } from '../pipe.ts';
import { type AskOut, readTell, type Tell } from '../protocol.ts';
import { Running } from '../running.ts';
import { Carriers, routeOf } from './carriers.ts';
import { PublishedTrack, type TrackOwner, WantedTrack } from './tracks.ts';

/** What a member hears besides media. */
export type MemberEvent =
  | RoomEvent
  /** By an admin, or by itself. */
  | { readonly type: 'muted'; readonly media: 'audio' | 'video'; readonly on: boolean }
  | { readonly type: 'fact'; readonly fact: Json }
  /** Something asked for was refused; `of` is what. */
  | { readonly type: 'refused'; readonly of: string; readonly n?: number; readonly why: Termination }
  | { readonly type: 'state'; readonly state: SessionState }
  /** Through another agent, or with new keys: the same participant, the same tracks. */
  | { readonly type: 'resumed' }
  /** The last one. */
  | { readonly type: 'ended'; readonly why: Termination };

/** What a session is made of. */
export interface Joined {
  readonly secret: Uint8Array;
  readonly suite: Suite;
  /** Ids of what the server sends us, and we the server. */
  readonly connection: Uint8Array;
  readonly theirs: Uint8Array;
  readonly reset: Uint8Array | undefined;
  /** How long the seat is kept, ms. */
  readonly keepMs: number;
  readonly pipe: Pipe | undefined;
  /** Of the server, numeric. */
  readonly address: string;
  readonly udpPort: number;
  /** Other ways to it. */
  readonly routers: readonly RouterOffer[];
}

export interface Seat {
  readonly room: string;
  readonly participant: string;
}

export interface MemberOptions {
  readonly clock: Clock;
  readonly on: (e: MemberEvent) => void;
  /** Opens another stream to the same server. Rejects when it cannot be had. */
  readonly reopen: () => Promise<Pipe>;
  /** Comes back by a ticket, wherever somebody opens it. Rejects when nobody does now. */
  readonly resume: (ticket: Buffer, last: Joined) => Promise<Joined>;
}

/** A playout delay that redundancy may cost, ms. */
const BUDGET_MS = 100;
const REOPEN_MS = [250, 1000, 2000, 5000];
/** While nothing is heard, a new socket is tried so often: its old way may lead nowhere any more. */
const REBIND_MS = 5000;
const RESUME_AGAIN_MS = 1000;
const GOODBYE_MS = 1000;
/** A way for packets is found within this, or there is none. */
const FOUND_MS = 10_000;

const LEFT: Termination = { blame: 'none', reason: 'hung-up', text: 'The member left.' };

/** A member of a room, over aRTP. Survives losses of its network, and of its agent, for as long as the seat is kept. */
export class NativeMember {
  readonly room: string;
  readonly participant: string;
  readonly #o: MemberOptions;
  readonly #published = new Map<number, PublishedTrack>();
  readonly #wanted = new Map<number, WantedTrack>();
  readonly #asked = new Map<number, { done: () => void; fail: (why: Refusal) => void }>();
  readonly #owner: TrackOwner;
  readonly #ended: Promise<Termination>;
  #found: () => void = () => {};
  #tellEnded: (why: Termination) => void = () => {};
  #joined: Joined;
  #carriers: Carriers;
  #running: Running | undefined;
  #serial = 0;
  #ticket: Buffer | undefined;
  #roster: MemberInfo[] = [];
  #reopened = 0;
  #reopening = false;
  #resuming = false;
  #heardAt: number;
  #over = false;
  #undo: (() => void)[] = [];

  constructor({ room, participant }: Seat, joined: Joined, o: MemberOptions) {
    this.#o = o;
    this.#joined = joined;
    this.room = room;
    this.participant = participant;
    this.#heardAt = o.clock.now();
    this.#ended = new Promise(done => void (this.#tellEnded = done));
    const self = this;
    this.#owner = {
      get running() {
        return self.#running;
      },
      say: ask => self.#say(ask),
      forget: n => {
        self.#published.delete(n);
        self.#wanted.delete(n);
      },
      now: () => o.clock.now(),
    };
    this.#carriers = this.#carry(joined);
  }

  /** Opens the socket, and resolves when a packet has gone there and back. Rejects with a Refusal. */
  async begin(): Promise<void> {
    await this.#begin(this.#joined);
    await new Promise<void>((done, fail) => {
      this.#found = done;
      void this.#ended.then(why => fail(new Refusal(why)));
      this.#later(FOUND_MS, () => this.state === 'opening' && this.#end(NO_WAY));
    });
  }

  /** Resolves when it is over, with why. Never rejects. */
  get ended(): Promise<Termination> {
    return this.#ended;
  }
  get state(): SessionState {
    return this.#running?.session.state ?? (this.#over ? 'gone' : 'detached');
  }
  paths(): PathReport[] {
    return this.#running?.session.paths() ?? [];
  }
  stats(): SessionStats | undefined {
    return this.#running?.session.stats();
  }

  /** `on` hears what receivers want of it: keyframes, a bit rate, a pause. */
  publish(track: NewTrack, on: (f: Feedback) => void = () => {}): PublishedTrack {
    const published = new PublishedTrack(++this.#serial, track, on, this.#owner);
    this.#published.set(this.#serial, published);
    if (this.#running !== undefined) published.attach(this.#running);
    return published;
  }

  /** Media into `sink` (borrowed, as everywhere), what becomes of it to `on`. */
  want(want: Want, sink: Sink<MediaPacket>, on: (e: TrackEvent) => void = () => {}): WantedTrack {
    const wanted = new WantedTrack(++this.#serial, want, sink, on, this.#owner);
    this.#wanted.set(this.#serial, wanted);
    if (this.#running !== undefined) wanted.attach(this.#running);
    return wanted;
  }

  /** To everybody in the room, 4096 bytes at most. Rejects with the Refusal of the room. */
  async text(text: string): Promise<void> {
    checkText(text);
    return this.#ask(id => ({ t: 'text', id, text }));
  }
  /** Mutes itself. Rejects with the Refusal of the room. */
  mute(media: 'audio' | 'video', on: boolean): Promise<void> {
    return this.#ask(id => ({ t: 'mute', id, media, on }));
  }

  /** The system says that the network is another one: packets leave by a new socket at once. */
  async networkChanged(): Promise<void> {
    if (this.#over) return;
    await this.#carriers.openUdp();
    const running = this.#running;
    if (running === undefined) return;
    const now = this.#o.clock.now();
    const route = this.#udpRoute(this.#joined);
    running.session.dropRoute(route, now);
    running.session.addRoute(route, now);
    running.turn();
    this.#reopen();
  }

  /** Leaves the room; resolves when the server knows, or after a second. Idempotent. */
  async leave(why: Termination = LEFT): Promise<void> {
    const running = this.#running;
    if (this.#over || running === undefined) return this.#end(why);
    const { clock } = this.#o;
    running.session.close(why, clock.now());
    running.turn();
    this.#later(GOODBYE_MS, () => this.#end(why));
    await this.#ended;
  }

  #carry(joined: Joined): Carriers {
    return new Carriers(this.#o.clock, joined.address, (bytes, route) => this.#receive(bytes, route));
  }

  async #begin(joined: Joined): Promise<void> {
    const { clock } = this.#o;
    await this.#carriers.openUdp().catch(error => {
      if (joined.pipe === undefined) throw error;
    });
    if (this.#over) return this.#carriers.close();
    const { secret, suite, theirs, keepMs, reset, connection: ours } = joined;
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
      now: clock.now(),
      transmit: this.#carriers.transmit,
      count: () => {},
    });
    session.addRoute(this.#udpRoute(joined), clock.now());
    if (joined.pipe !== undefined) session.addRoute(this.#carriers.add(joined.pipe), clock.now());
    const running: Running = new Running(session, clock, e => this.#event(e, running));
    this.#running = running;
    const on = (route: Route, isOpen: boolean): void => {
      if (isOpen) session.addRoute(route, clock.now());
      else session.dropRoute(route, clock.now());
      running.turn();
    };
    this.#carriers.relay({ routers: joined.routers, ours, theirs, on });
    this.#serveTracks(running);
    if (joined.pipe === undefined) this.#reopen();
  }

  #serveTracks(running: Running): void {
    for (const published of this.#published.values()) published.attach(running);
    for (const wanted of this.#wanted.values()) wanted.attach(running);
    running.turn();
  }

  /** A packet of the stream that HELLO went by, or of one opened since. */
  packet(bytes: Buffer, pipe: Pipe): void {
    this.#receive(bytes, routeOf(pipe));
  }
  /** A stream has closed: the session goes on, and another one is opened. */
  pipeClosed(pipe: Pipe): void {
    const route = this.#carriers.drop(pipe);
    if (this.#over || this.#running === undefined) return;
    this.#running.session.dropRoute(route, this.#o.clock.now());
    this.#running.turn();
    this.#reopen();
  }

  #receive(bytes: Buffer, route: Route): void {
    const running = this.#running;
    if (running === undefined) return;
    running.session.receive(bytes, route, this.#o.clock.now());
    running.turn();
  }

  #udpRoute({ address, udpPort }: Joined): Route {
    return { kind: 'udp', address, port: udpPort };
  }

  #event(e: SessionEvent, running: Running): void {
    if (this.#running !== undefined && running !== this.#running) return;
    switch (e.type) {
      case 'message':
        return this.#message(e.message);
      case 'state':
        return this.#stateIs(e.state);
      case 'ended':
        return this.#sessionEnded(e.why);
      case 'route':
        return; // of servers
    }
  }

  #stateIs(state: SessionState): void {
    const { clock } = this.#o;
    if (state === 'active') {
      this.#heardAt = clock.now();
      this.#reopened = 0;
      this.#found();
    }
    this.#tell({ type: 'state', state });
    if (state === 'suspect') this.#lookAround();
    // Neither packets nor a stream: the agent may be no more. Should the old way be heard first, nothing has changed.
    if (state === 'detached' || (state === 'suspect' && this.#carriers.streams === 0)) this.#resume();
  }

  /** Nothing is heard: by another socket, by another stream? Goes on for as long as that lasts. */
  #lookAround(): void {
    const { state } = this;
    if (this.#over || (state !== 'suspect' && state !== 'detached')) return;
    void this.networkChanged().catch(() => {});
    this.#later(REBIND_MS, () => this.#lookAround());
  }

  /** Another stream in place of the one that closed. */
  #reopen(): void {
    if (this.#over || this.#reopening || this.#carriers.streams > 0) return;
    this.#reopening = true;
    const wait = REOPEN_MS[Math.min(this.#reopened++, REOPEN_MS.length - 1)] as number;
    this.#later(wait, () => {
      this.#o.reopen().then(
        pipe => {
          this.#reopening = false;
          const route = this.#carriers.add(pipe);
          this.#running?.session.addRoute(route, this.#o.clock.now());
          this.#running?.turn();
        },
        () => {
          this.#reopening = false;
          // A server that takes no streams and is not heard otherwise is no more: somebody else may know us.
          if (this.state !== 'active') this.#resume();
          else if (this.#reopened === 1) void this.networkChanged().catch(() => {}); // is anybody there?
          this.#reopen();
        },
      );
    });
  }

  /** Through whatever agent opens the ticket, until the seat is lost. */
  #resume(): void {
    if (this.#over || this.#resuming || this.#ticket === undefined) return;
    this.#resuming = true;
    this.#o.resume(this.#ticket, this.#joined).then(
      joined => this.#resumed(joined),
      error => {
        this.#resuming = false;
        if (this.#over || this.state === 'active') return;
        if (error instanceof Refusal && FINAL.has(error.why.reason)) return this.#end(error.why);
        if (this.#o.clock.now() - this.#heardAt > this.#joined.keepMs) return this.#end(LOST);
        this.#later(RESUME_AGAIN_MS, () => this.#resume());
      },
    );
  }

  async #resumed(joined: Joined): Promise<void> {
    if (this.#over || this.state === 'active') {
      joined.pipe?.destroy(); // the old way was heard again meanwhile
      this.#resuming = false;
      return;
    }
    this.#running?.stop();
    this.#running = undefined;
    for (const track of [...this.#published.values(), ...this.#wanted.values()]) track.detach();
    this.#carriers.close();
    this.#joined = joined;
    this.#carriers = this.#carry(joined);
    this.#failAsked(LOST);
    try {
      await this.#begin(joined);
      this.#tell({ type: 'resumed' });
    } finally {
      this.#resuming = false;
    }
  }

  #sessionEnded(why: Termination): void {
    const mayResume = RESUMABLE.has(why.reason) && this.#ticket !== undefined && !this.#over;
    this.#running?.stop();
    if (!mayResume) return this.#end(why);
    this.#running = undefined;
    for (const track of [...this.#published.values(), ...this.#wanted.values()]) track.detach();
    this.#resume();
  }

  #message(message: Json): void {
    const tell = readTell(message);
    if (tell !== undefined) this.#told(tell);
  }

  #told(t: Tell): void {
    switch (t.t) {
      case 'serving': {
        const { track, format, how } = t;
        return this.#wanted
          .get(t.n)
          ?.told({ type: 'serving', format: format as Format, how, ...(track && { track }) } as TrackEvent);
      }
      case 'idle':
        return this.#wanted.get(t.n)?.told({ type: 'idle' });
      case 'unserved':
      case 'lacking':
        return this.#wanted.get(t.n)?.told({ type: t.t, why: t.why as Termination });
      case 'clock':
        return this.#wanted.get(t.n)?.clockTold(t.pts, t.atMs);
      case 'heard': {
        const { packets, lost, jitterMs } = t;
        return this.#published.get(t.n)?.heardTold({ packets, lost, jitterMs });
      }
      case 'roster':
        this.#roster.push(...(t.members as MemberInfo[]));
        if (!t.more) this.#tell({ type: 'roster', members: this.#roster.splice(0) });
        return;
      case 'event':
        return this.#tell(t.event as RoomEvent);
      case 'muted':
        return this.#tell({ type: 'muted', media: t.media, on: t.on });
      case 'fact':
        return this.#tell({ type: 'fact', fact: t.fact });
      case 'done':
        this.#asked.get(t.id)?.done();
        return void this.#asked.delete(t.id);
      case 'refused':
        return this.#refused(t);
      case 'ticket':
        this.#ticket = Buffer.from(t.ticket, 'base64');
        return;
    }
  }

  #refused({ of, n, id, why }: Extract<Tell, { t: 'refused' }>): void {
    const asked = id === undefined ? undefined : this.#asked.get(id);
    if (id !== undefined) this.#asked.delete(id);
    if (asked !== undefined) return asked.fail(new Refusal(why as Termination));
    this.#tell({ type: 'refused', of, ...(n !== undefined && { n }), why: why as Termination });
  }

  #ask(ask: (id: number) => AskOut): Promise<void> {
    if (this.#over || this.#running === undefined) return Promise.reject(new Refusal(LOST));
    const id = ++this.#serial;
    return new Promise((done, fail) => {
      this.#asked.set(id, { done, fail });
      this.#say(ask(id));
    });
  }

  #say(ask: AskOut): void {
    this.#running?.say(ask);
  }
  #tell(e: MemberEvent): void {
    this.#o.on(e);
  }

  #failAsked(why: Termination): void {
    for (const { fail } of this.#asked.values()) fail(new Refusal(why));
    this.#asked.clear();
  }

  #later(ms: number, run: () => void): void {
    const { clock } = this.#o;
    const undo = clock.at(clock.now() + ms, () => {
      this.#undo = this.#undo.filter(u => u !== undo);
      run();
    });
    this.#undo.push(undo);
  }

  #end(why: Termination): void {
    if (this.#over) return;
    this.#over = true;
    for (const undo of this.#undo.splice(0)) undo();
    this.#running?.stop();
    this.#carriers.close();
    this.#failAsked(why);
    this.#tell({ type: 'ended', why });
    this.#tellEnded(why);
  }
}

/** Ends of a session that a ticket may heal: the agent has forgotten us. */
const RESUMABLE = new Set(['session-unknown']);
/** Refusals of a resume that no other agent will take back. */
const FINAL = new Set(['kicked', 'banned', 'not-authorized', 'room-locked', 'ticket-expired']);
const NO_WAY: Termination = refuse(
  'upstream',
  'connect-failed',
  'The server let us in, and no packet came back from it: neither over UDP nor by the stream.',
).why;
const LOST: Termination = refuse(
  'upstream',
  'connection-lost',
  'The connection to the room was lost, and nobody took the member back in time.',
).why;
