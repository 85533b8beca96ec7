import type { Clock, Format, MediaPacket, Publication, Termination } from '../contract.ts';
import { refuse, terminationOf } from '../kit/refusal.ts';
import type { Pull, SourceEvent } from '../media/room-source.ts';
import type { FlowSender, FlowStart } from '../proto/artp/media-sender.ts';
import type { JoinAsk, RoomPort } from '../room/port.ts';
import { IncomingFlows } from './flows.ts';
import type { MediaPath } from './media-path.ts';
import type { Ask, TellOut } from './messages.ts';
import { formatsDiffer, isVideo } from './formats.ts';

/** What one process may hold at this room node. */
export const SESSION_LIMITS = { legs: 10_000, publications: 40_000, pulls: 100_000, watches: 20_000 } as const;

export interface ServedSessionOptions {
  readonly path: MediaPath;
  readonly clock: Clock;
  readonly tell: (tell: TellOut) => void;
  /** The room of that name, made if need be; throws a Refusal. `address`: of the joining peer, for limits. */
  readonly rooms: (room: string, address?: string) => RoomPort;
  readonly count: (reason: string) => void;
  readonly onBug: (error: unknown) => void;
}

interface ServedRoom {
  readonly port: RoomPort;
  readonly stop: () => void;
}
interface ServedPublication {
  readonly leg: string;
  readonly publication: Publication;
  readonly flows: IncomingFlows;
}
interface ServedPull {
  readonly room: string;
  readonly track: string;
  readonly pull: Pull;
  readonly flow: FlowSender;
}

/** The legs of one agent process in the rooms of this node: its calls are made here as if it were in this process. */
export class ServedSession {
  readonly #o: ServedSessionOptions;
  readonly #rooms = new Map<string, ServedRoom>();
  readonly #legs = new Map<string, RoomPort>();
  readonly #publications = new Map<string, ServedPublication>();
  readonly #pulls = new Map<number, ServedPull>();
  readonly #watches = new Map<number, { room: string; stop: () => void }>();
  /** Formats by room and track: a change begins new flows. */
  readonly #formats = new Map<string, Map<string, Format>>();
  #over: Termination | undefined;

  constructor(options: ServedSessionOptions) {
    this.#o = options;
  }

  /** Nothing thrown by a room gets out: it ends the leg that asked. */
  handle(ask: Ask): void {
    try {
      this.#handle(ask);
    } catch (error) {
      this.#o.onBug(error);
      const leg = 'leg' in ask ? ask.leg : 'id' in ask ? this.#publications.get(ask.id)?.leg : undefined;
      if (leg !== undefined) this.#closeLeg(leg, terminationOf(error));
    }
  }

  #handle(ask: Ask): void {
    switch (ask.t) {
      case 'join':
        return void this.#join(ask.n, ask.room, ask.ask);
      case 'confirmed':
        return this.#legs.get(ask.leg)?.confirmed(ask.leg);
      case 'leave':
        return this.#leave(ask.leg, ask.why);
      case 'publish':
        return this.#publish(ask);
      case 'format': {
        const p = this.#publications.get(ask.id);
        p?.flows.end(); // what was sent in the old format and comes late must not be read in the new one
        return p?.publication.format(ask.format);
      }
      case 'pause':
        return this.#publications.get(ask.id)?.publication.pause(ask.on);
      case 'clock':
        return this.#publications.get(ask.id)?.publication.clock(ask.pts, ask.captureMs);
      case 'unpublish':
        return this.#unpublish(ask.id)?.publication.close();
      case 'flow':
        return this.#publications.get(ask.id)?.flows.begin(ask.start);
      case 'watch':
        return this.#watch(ask.n, ask.room);
      case 'unwatch':
        this.#watches.get(ask.n)?.stop();
        return void this.#watches.delete(ask.n);
      case 'pull':
        return this.#pull(ask.n, ask.room, ask.track);
      case 'pull-feedback':
        return this.#pulls.get(ask.n)?.pull.feedback(ask.feedback);
      case 'unpull':
        this.#pulls.get(ask.n)?.pull.close();
        return void this.#pulls.delete(ask.n);
      case 'shut':
        return this.#shut(ask.room);
    }
  }

  async #join(n: number, room: string, ask: JoinAsk): Promise<void> {
    const { leg } = ask;
    try {
      if (this.#legs.has(leg)) throw refuse('server', 'leg-in-use', `Leg ${leg} is in a room already.`);
      if (this.#legs.size >= SESSION_LIMITS.legs)
        throw refuse('server', 'busy', `This process has ${SESSION_LIMITS.legs} legs here, which is the limit.`);
      const port = this.#o.rooms(room, ask.who.address);
      this.#open(room, port);
      this.#legs.set(leg, port);
      const joined = await port.join(ask, notice => {
        this.#o.tell({ t: 'notice', leg, notice });
        if (notice.type === 'close') this.#forget(leg);
      });
      if (this.#over === undefined) this.#o.tell({ t: 'joined', n, joined });
      else port.leave(leg, this.#over); // the connection was lost while the room thought about it
    } catch (error) {
      if (this.#over === undefined) this.#o.tell({ t: 'refused', n, why: terminationOf(error) });
      if (terminationOf(error).reason !== 'leg-in-use') this.#forget(leg);
    }
  }

  /** Subscribes to the room, or to the one made anew under its name; what it holds now is told first. */
  #open(room: string, port: RoomPort): void {
    const before = this.#rooms.get(room);
    if (before?.port === port) return;
    before?.stop();
    const formats = new Map<string, Format>();
    this.#formats.set(room, formats);
    const tracks = [...port.tracks()];
    for (const t of tracks) formats.set(t.info.id, t.info.format);
    this.#o.tell({ t: 'snapshot', room, tracks, speakers: port.speakers() });
    this.#rooms.set(room, { port, stop: port.on(e => this.#source(room, formats, e)) });
  }

  #source(room: string, formats: Map<string, Format>, e: SourceEvent): void {
    const { tell } = this.#o;
    if (e.type === 'speakers') return tell({ t: 'speakers', room, participants: e.participants });
    if (e.type === 'untrack') {
      formats.delete(e.id);
      return tell({ t: 'untrack', room, id: e.id });
    }
    const { id, format } = e.track.info;
    const before = formats.get(id);
    formats.set(id, format);
    tell({ t: 'track', room, track: e.track });
    if (before === undefined || !formatsDiffer(before, format)) return;
    for (const p of this.#pulls.values()) if (p.room === room && p.track === id) p.flow.renew();
  }
}
