import type {
  Feedback,
  Json,
  MediaPacket,
  MemberInfo,
  Millis,
  NewTrack,
  RoomEvent,
  Sink,
  Termination,
  TrackEvent,
  Want,
} from '../../../src/contract.ts';
import { Refusal, refuse } from '../../../src/kit/refusal.ts';
import { checkText } from '../../../src/kit/text.ts';
import type {
  PathReport,
  SessionEvent,
  SessionState,
  SessionStats,
} from '../../../src/proto/artp/session/types.ts';
import type { Pipe } from '../pipe.ts';
import { type Alternate, type AskOut, readTell, type Tell } from '../protocol.ts';
import { AgentLine, type AgentLineOptions, GOODBYE_MS, type Joined } from './agent-line.ts';
import { Asked } from './asked.ts';
import { ComingBack } from './coming-back.ts';
import { MemberTracks } from './member-tracks.ts';
import { Playout, type Sound } from './playout.ts';
import { Timers } from './timers.ts';
import type { PublishedTrack, WantedTrack } from './tracks.ts';

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

export interface Seat {
  readonly room: string;
  readonly participant: string;
}

/** What brings a member to another agent. */
export interface Return {
  readonly ticket: Buffer;
  /** Of the session it was said in. */
  readonly joined: Joined;
  readonly alternates: readonly Alternate[];
}

export interface MemberOptions extends Pick<AgentLineOptions, 'clock' | 'reopen'> {
  readonly on: (e: MemberEvent) => void;
  /** Comes back by a ticket, wherever somebody opens it; `elsewhere`: not at the same agent. Rejects when nobody does now. */
  readonly resume: (r: Return, elsewhere: boolean) => Promise<Joined>;
}

/** A way for packets is found within this, or there is none. */
const FOUND_MS = 10_000;

const MOVED: Termination = { blame: 'none', reason: 'moved', text: 'Another agent has the member now.' };
const LEFT: Termination = { blame: 'none', reason: 'hung-up', text: 'The member left.' };

/** A member of a room, over aRTP. Survives losses of its network, and of its agent, for as long as the seat is kept. */
export class NativeMember {
  readonly room: string;
  readonly participant: string;
  readonly #o: MemberOptions;
  readonly #tracks: MemberTracks;
  readonly #asked = new Asked();
  readonly #ended: Promise<Termination>;
  readonly #timers: Timers;
  readonly #back: ComingBack;
  #found: () => void = () => {};
  #tellEnded: (why: Termination) => void = () => {};
  /** Undefined once its agent has forgotten us, until another one knows us. */
  #line: AgentLine | undefined;
  #return: Return | undefined;
  #roster: MemberInfo[] = [];
  #over = false;

  constructor({ room, participant }: Seat, joined: Joined, o: MemberOptions) {
    this.#o = o;
    this.room = room;
    this.participant = participant;
    this.#timers = new Timers(o.clock);
    this.#ended = new Promise(done => void (this.#tellEnded = done));
    this.#tracks = new MemberTracks(ask => this.#say(ask));
    this.#back = new ComingBack({
      clock: o.clock,
      call: why =>
        this.#return === undefined
          ? Promise.reject(new Refusal(CHANGED))
          : o.resume(this.#return, why === 'moves'),
      open: (next, on) => this.#open(next, on),
      isLost: () => this.#line?.isSilent !== false,
      keepMs: () => joined.keepMs,
      seated: (line, first) => this.#resumed(line, first),
      failed: why => this.#end(why),
    });
    this.#line = this.#open(joined, () => {});
    this.#tracks.attach(this.#line.running);
  }

  /** Opens the socket, and resolves when a packet has gone there and back. Rejects with a Refusal. */
  async begin(): Promise<void> {
    await this.#line?.begin();
    await new Promise<void>((done, fail) => {
      this.#found = done;
      void this.#ended.then(why => fail(new Refusal(why)));
      this.#timers.after(FOUND_MS, () => this.state === 'opening' && this.#end(NO_WAY));
    });
  }

  /** Resolves when it is over, with why. Never rejects. */
  get ended(): Promise<Termination> {
    return this.#ended;
  }
  get state(): SessionState {
    return this.#line?.state ?? (this.#over ? 'gone' : 'detached');
  }
  paths(): PathReport[] {
    return this.#line?.running.session.paths() ?? [];
  }
  stats(): SessionStats | undefined {
    return this.#line?.running.session.stats();
  }

  /** `on` hears what receivers want of it: keyframes, a bit rate, a pause. */
  publish(track: NewTrack, on: (f: Feedback) => void = () => {}): PublishedTrack {
    return this.#tracks.publish(track, on);
  }

  /**
   * Media into `sink` (borrowed, as everywhere) as it comes: what was lost and brought back comes late, and behind its
   * successors. What becomes of it to `on`.
   */
  want(want: Want, sink: Sink<MediaPacket>, on: (e: TrackEvent) => void = () => {}): WantedTrack {
    return this.#tracks.want(want, sink, on);
  }
  /** Sound in order and at its time, a block of 20 ms or a packet after the other; from the first packet on. */
  listen(
    want: Want,
    play: (s: Sound, now: Millis) => void,
    on: (e: TrackEvent) => void = () => {},
  ): WantedTrack {
    const playout = new Playout(this.#o.clock, play);
    const told = (e: TrackEvent): void => {
      playout.told(e);
      on(e);
    };
    return this.#tracks.want(want, playout.sink, told, () => playout.close());
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
    await this.#line?.networkChanged();
  }

  /** Leaves the room; resolves when the server knows, or after a second. Idempotent. */
  async leave(why: Termination = LEFT): Promise<void> {
    const running = this.#line?.running;
    if (this.#over || running === undefined) return this.#end(why);
    this.#back.stop();
    running.session.close(why, this.#o.clock.now());
    running.turn();
    this.#timers.after(GOODBYE_MS, () => this.#end(why));
    await this.#ended;
  }

  /** A packet of the stream that HELLO went by, or of one opened since. */
  packet(bytes: Buffer, pipe: Pipe): void {
    for (const line of [this.#line, this.#back.next]) line?.packet(bytes, pipe);
  }
  pipeClosed(pipe: Pipe): void {
    for (const line of [this.#line, this.#back.next]) line?.pipeClosed(pipe);
  }

  #open(joined: Joined, on: (e: SessionEvent) => void): AgentLine {
    const { clock, reopen } = this.#o;
    const line: AgentLine = new AgentLine(joined, {
      clock,
      reopen,
      on: e => (this.#line === line ? this.#event(line, e) : on(e)),
      deserted: () => this.#line === line && this.#back.start('lost'),
    });
    return line;
  }

  #event(line: AgentLine, e: SessionEvent): void {
    switch (e.type) {
      case 'message':
        return this.#message(e.message);
      case 'state':
        if (e.state === 'active') this.#found();
        return this.#tell({ type: 'state', state: e.state });
      case 'ended':
        return this.#lineEnded(line, e.why);
      case 'route':
        return; // of servers
    }
  }

  /** The agent we had has closed us, because another one has us by now; or has forgotten us; or it is over. */
  #lineEnded(line: AgentLine, why: Termination): void {
    const mayResume = RESUMABLE.has(why.reason) && this.#return !== undefined;
    if (!mayResume && this.#back.next === undefined) return this.#end(why);
    line.stop();
    this.#line = undefined;
    this.#detach();
    this.#back.start('lost');
  }

  /** From here on by this agent: the same participant, the same tracks. */
  #resumed(line: AgentLine, first: Json): void {
    const before = this.#line;
    this.#detach();
    this.#line = line;
    before?.leave(MOVED);
    this.#tracks.attach(line.running);
    this.#tell({ type: 'state', state: line.state });
    this.#tell({ type: 'resumed' });
    this.#message(first);
    line.running.turn();
  }

  /** What was asked of the old session has no answer any more. */
  #detach(): void {
    this.#tracks.detach();
    this.#asked.failAll(CHANGED);
    this.#roster.length = 0;
  }

  #message(message: Json): void {
    const tell = readTell(message);
    if (tell !== undefined) this.#told(tell);
  }

  #told(t: Tell): void {
    switch (t.t) {
      case 'serving':
      case 'idle':
      case 'unserved':
      case 'lacking':
      case 'clock':
      case 'heard':
        return this.#tracks.told(t);
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
        return this.#asked.done(t.id);
      case 'refused':
        return this.#refused(t);
      case 'ways':
        return this.#waysAre(t);
      case 'move':
        return this.#back.start('moves');
    }
  }

  #waysAre({ ticket, alternates, routers }: Extract<Tell, { t: 'ways' }>): void {
    const line = this.#line;
    if (line === undefined) return;
    line.relay(routers);
    if (ticket !== undefined)
      this.#return = { ticket: Buffer.from(ticket, 'base64'), joined: line.joined, alternates };
  }

  #refused({ of, n, id, why }: Extract<Tell, { t: 'refused' }>): void {
    if (id !== undefined && this.#asked.refused(id, why as Termination)) return;
    this.#tell({ type: 'refused', of, ...(n !== undefined && { n }), why: why as Termination });
  }

  #ask(ask: (id: number) => AskOut): Promise<void> {
    if (this.#over || this.#line === undefined) return Promise.reject(new Refusal(CHANGED));
    return this.#asked.ask(ask, a => this.#say(a));
  }

  #say(ask: AskOut): void {
    this.#line?.running.say(ask);
  }
  #tell(e: MemberEvent): void {
    this.#o.on(e);
  }

  #end(why: Termination): void {
    if (this.#over) return;
    this.#over = true;
    this.#timers.stop();
    this.#back.stop();
    this.#line?.stop();
    this.#line = undefined;
    this.#asked.failAll(why);
    this.#tracks.close();
    this.#tell({ type: 'ended', why });
    this.#tellEnded(why);
  }
}

/** Ends of a session that a ticket may heal: the agent has forgotten us. */
const RESUMABLE = new Set(['session-unknown', 'agent-lost']);
const NO_WAY: Termination = refuse(
  'upstream',
  'connect-failed',
  'The server let us in, and no packet came back from it: neither over UDP nor by the stream.',
).why;
const CHANGED: Termination = refuse(
  'upstream',
  'connection-lost',
  'The connection to the room was lost and is being made anew: whether the room has heard of this is not known.',
).why;
