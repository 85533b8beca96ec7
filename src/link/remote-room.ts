import type {
  Feedback,
  MediaPacket,
  NewTrack,
  Publication,
  RoomEvent,
  Sink,
  Termination,
} from '../contract.ts';
import { type Refusal, refuse } from '../kit/refusal.ts';
import type { ClockSink, Layout, Pull, SourceEvent, TrackState } from '../media/room-source.ts';
import type { JoinAsk, Joined, LegNotice, RoomPort } from '../room/port.ts';
import type { ClientSession, SessionRoom } from './client-session.ts';
import { formatsDiffer } from './formats.ts';
import type { LinkFlow } from './media-path.ts';
import type { Tell } from './messages.ts';
import { deadPublication, remotePublication } from './remote-publication.ts';
import { RemotePulls } from './remote-pulls.ts';
import { RoomWatch } from './room-watch.ts';

/**
 * The way to a room in another process. It lives while a leg of this process is in the room or about to be; then, or
 * when the connection is lost, it is over: a later join through it is refused `room-ended`, and whoever asks for the
 * room again gets a new one.
 */
export class RemoteRoom implements RoomPort, SessionRoom {
  readonly room: string;
  readonly #connect: () => Promise<ClientSession>;
  readonly #onEnded: () => void;
  #session: ClientSession | undefined;
  #begun = false;
  #ended = false;
  readonly #joining = new Map<string, { left: boolean }>();
  /** Publications by leg: their ids, and how they leave. */
  readonly #legs = new Map<string, Map<string, LinkFlow>>();
  readonly #tracks = new Map<string, TrackState>();
  #speakers: readonly string[] = [];
  #layout: Layout = 'speaker';
  readonly #listeners = new Set<(e: SourceEvent) => void>();
  readonly #pulls: RemotePulls;
  readonly #watch = new RoomWatch();
  /** Its number, while there is one. */
  #watching: number | undefined;

  constructor(room: string, connect: () => Promise<ClientSession>, onEnded: () => void) {
    this.room = room;
    this.#connect = connect;
    this.#onEnded = onEnded;
    this.#pulls = new RemotePulls(room);
  }

  async join(ask: JoinAsk, on: (n: LegNotice) => void): Promise<Joined> {
    if (this.#ended) throw roomEnded(this.room);
    if (this.#legs.has(ask.leg) || this.#joining.has(ask.leg))
      throw refuse('server', 'leg-in-use', `Leg ${ask.leg} is in room ${this.room} already.`);
    const mine = { left: false };
    this.#joining.set(ask.leg, mine);
    try {
      const session = await this.#connect();
      if (mine.left) throw refuse('none', 'left', 'The leg left before it had joined.');
      if (this.#ended) throw roomEnded(this.room);
      return await this.#join(session, ask, on);
    } finally {
      if (this.#joining.get(ask.leg) === mine) this.#joining.delete(ask.leg);
      this.endIfUnused();
    }
  }

  async #join(session: ClientSession, ask: JoinAsk, on: (n: LegNotice) => void): Promise<Joined> {
    const n = session.number();
    const publications = new Map<string, LinkFlow>();
    this.#legs.set(ask.leg, publications);
    session.legs.set(ask.leg, notice => {
      if (notice.type === 'close') this.#forget(ask.leg);
      on(notice);
      this.endIfUnused();
    });
    session.send({ t: 'join', n, room: this.room, ask });
    if (this.#session === undefined) this.#attach(session);
    try {
      const joined = await session.joined(n);
      this.#begin(session);
      return joined;
    } catch (error) {
      if (this.#legs.get(ask.leg) === publications) this.#forget(ask.leg);
      throw error;
    }
  }

  #attach(session: ClientSession): void {
    this.#session = session;
    session.rooms.set(this.room, this);
  }

  /** The first leg is in: the room node has the room open for us. */
  #begin(session: ClientSession): void {
    if (this.#begun || this.#ended) return;
    this.#begun = true;
    this.#startWatch(session);
  }

  publish(leg: string, id: string, track: NewTrack, on: (f: Feedback) => void): Publication {
    const session = this.#session;
    const publications = this.#legs.get(leg);
    if (session === undefined || publications === undefined) return deadPublication(id);
    return remotePublication(session, leg, id, track, publications, on);
  }

  confirmed(leg: string): void {
    if (this.#legs.has(leg)) this.#session?.send({ t: 'confirmed', leg });
  }

  absent(leg: string, on: boolean): void {
    if (this.#legs.has(leg)) this.#session?.send({ t: 'absent', leg, on });
  }

  leave(leg: string, why: Termination): void {
    const joining = this.#joining.get(leg);
    if (joining !== undefined) joining.left = true;
    if (!this.#legs.has(leg)) return;
    this.#session?.send({ t: 'leave', leg, why });
    this.#forget(leg);
    this.endIfUnused();
  }

  tracks(): Iterable<TrackState> {
    return this.#tracks.values();
  }
  speakers(): readonly string[] {
    return this.#speakers;
  }
  layout(): Layout {
    return this.#layout;
  }
  on(listener: (e: SourceEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  watch(on: (e: RoomEvent) => void): () => void {
    const stop = this.#watch.add(on);
    if (this.#session !== undefined && this.#begun) this.#startWatch(this.#session);
    return () => {
      stop();
      if (this.#watch.size === 0) this.#stopWatch();
    };
  }

  /** One for all who watch here: every event comes over the link once. */
  #startWatch(session: ClientSession): void {
    if (this.#watching !== undefined || this.#watch.size === 0) return;
    const n = session.number();
    this.#watching = n;
    session.watches.set(n, e => this.#watch.told(e));
    session.send({ t: 'watch', n, room: this.room });
  }

  #stopWatch(): void {
    const n = this.#watching;
    if (n === undefined) return;
    this.#watching = undefined;
    this.#watch.forget();
    if (this.#session?.watches.delete(n)) this.#session.send({ t: 'unwatch', n });
  }

  pull(track: string, sink: Sink<MediaPacket>, clock: ClockSink): Pull {
    const session = this.#session;
    if (session === undefined) return { feedback() {}, close() {} };
    return this.#pulls.pull(session, track, sink, clock);
  }

  told(tell: Extract<Tell, { room: string }>): void {
    switch (tell.t) {
      case 'track':
        return this.#track(tell.track);
      case 'untrack':
        return this.#untrack(tell.id);
      case 'speakers':
        return this.#speak(tell.participants);
      case 'layout':
        return this.#lay(tell.layout);
      case 'snapshot': {
        const there = new Set(tell.tracks.map(t => t.info.id));
        for (const id of [...this.#tracks.keys()]) if (!there.has(id)) this.#untrack(id);
        for (const track of tell.tracks) this.#track(track);
        this.#speak(tell.speakers);
        return this.#lay(tell.layout);
      }
    }
  }

  lost(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#legs.clear();
    this.#close();
  }

  #track(track: TrackState): void {
    const before = this.#tracks.get(track.info.id);
    // In order: what was sent in the old format must not arrive after the news of the new one.
    if (before !== undefined && formatsDiffer(before.info.format, track.info.format))
      this.#pulls.endFlows(track.info.id);
    this.#tracks.set(track.info.id, track);
    this.#tell({ type: 'track', track });
  }

  #untrack(id: string): void {
    if (!this.#tracks.delete(id)) return;
    this.#pulls.endFlows(id);
    this.#tell({ type: 'untrack', id });
  }

  #speak(participants: readonly string[]): void {
    const before = this.#speakers;
    if (before.length === participants.length && before.every((p, i) => p === participants[i])) return;
    this.#speakers = participants;
    this.#tell({ type: 'speakers', participants });
  }

  #lay(layout: Layout): void {
    if (layout === this.#layout) return;
    this.#layout = layout;
    this.#tell({ type: 'layout', layout });
  }

  #tell(e: SourceEvent): void {
    for (const listener of [...this.#listeners]) listener(e);
  }

  #forget(leg: string): void {
    const publications = this.#legs.get(leg);
    this.#legs.delete(leg);
    this.#session?.legs.delete(leg);
    for (const [id, flow] of publications ?? []) {
      this.#session?.publications.delete(id);
      flow.close();
    }
    publications?.clear();
  }

  /** The last leg is gone, or none ever came: the room node need not tell us of this room any more. */
  endIfUnused(): void {
    if (this.#ended || this.#legs.size > 0 || this.#joining.size > 0) return;
    this.#ended = true;
    const session = this.#session;
    if (session !== undefined) {
      session.send({ t: 'shut', room: this.room });
      if (session.rooms.get(this.room) === this) session.rooms.delete(this.room);
      if (this.#watching !== undefined) session.watches.delete(this.#watching);
    }
    this.#close();
  }

  #close(): void {
    for (const id of [...this.#tracks.keys()]) this.#untrack(id);
    this.#speak([]);
    this.#watching = undefined;
    this.#pulls.clear();
    this.#onEnded();
  }
}

const roomEnded = (room: string): Refusal =>
  refuse('server', 'room-ended', `This process had left room ${room} just now; join again.`);
