import type { Format, Termination } from '../contract.ts';
import { Refusal, refuse, terminationOf } from '../kit/refusal.ts';
import type { SourceEvent } from '../media/room-source.ts';
import type { JoinAsk, RoomPort } from '../room/port.ts';
import { formatsDiffer } from './formats.ts';
import type { MediaPath } from './media-path.ts';
import type { Ask, TellOut } from './messages.ts';
import { ServedMedia } from './served-media.ts';

const MAX_LEGS = 10_000;
const MAX_WATCHES = 20_000;
/** Of a track the room has not told of: one that comes will be told with its format. */
const UNKNOWN: Format = { codec: 'opus', clockRate: 48_000 };

export interface ServedSessionOptions {
  readonly path: MediaPath;
  readonly tell: (tell: TellOut) => void;
  /** The room of that name, made if need be; throws a Refusal. `address`: of the joining peer, for limits. */
  readonly rooms: (room: string, address?: string) => RoomPort | Promise<RoomPort>;
  readonly onBug: (error: unknown) => void;
}

/** A leg whose room is being found. */
interface Coming {
  left: Termination | undefined;
}

interface ServedRoom {
  readonly port: RoomPort;
  /** By track: a change begins new flows. */
  readonly formats: Map<string, Format>;
  stop: () => void;
}

/** The legs of one agent process in the rooms of this node: its calls are made here as if it were in this process. */
export class ServedSession {
  readonly #o: ServedSessionOptions;
  readonly #media: ServedMedia;
  readonly #rooms = new Map<string, ServedRoom>();
  readonly #legs = new Map<string, RoomPort>();
  readonly #coming = new Map<string, Coming>();
  readonly #watches = new Map<number, { readonly room: string; readonly stop: () => void }>();
  #over: Termination | undefined;

  constructor(options: ServedSessionOptions) {
    this.#o = options;
    this.#media = new ServedMedia(options.path, options.tell);
  }

  get legs(): number {
    return this.#legs.size;
  }

  /** What a room throws at us ends the leg that asked, nothing else. */
  handle(ask: Ask): void {
    try {
      this.#handle(ask);
    } catch (error) {
      const why = terminationOf(error);
      if (why.reason === 'internal-error') this.#o.onBug(error);
      const leg = 'leg' in ask ? ask.leg : 'id' in ask ? this.#media.publication(ask.id)?.leg : undefined;
      if (leg === undefined) return;
      this.#o.tell({ t: 'notice', leg, notice: { type: 'close', why } });
      this.#leave(leg, why);
    }
  }

  #handle(ask: Ask): void {
    const media = this.#media;
    switch (ask.t) {
      case 'join':
        return void this.#join(ask.n, ask.room, ask.ask);
      case 'confirmed':
        return this.#legs.get(ask.leg)?.confirmed(ask.leg);
      case 'absent':
        return this.#legs.get(ask.leg)?.absent(ask.leg, ask.on);
      case 'leave':
        return this.#leave(ask.leg, ask.why);
      case 'publish': {
        const port = this.#legs.get(ask.leg); // gone when the room has just closed the leg
        return port && media.publish(port, ask.leg, ask.id, ask.track);
      }
      case 'format':
        // What was sent in the old format and comes late must not be read in the new one.
        media.publication(ask.id)?.flows.end();
        return media.publication(ask.id)?.publication.format(ask.format);
      case 'pause':
        return media.publication(ask.id)?.publication.pause(ask.on);
      case 'clock':
        return media.publication(ask.id)?.publication.clock(ask.pts, ask.captureMs);
      case 'unpublish':
        return media.unpublish(ask.id);
      case 'flow':
        return media.publication(ask.id)?.flows.begin(ask.start);
      case 'watch':
        return this.#watch(ask.n, ask.room);
      case 'unwatch':
        this.#watches.get(ask.n)?.stop();
        return void this.#watches.delete(ask.n);
      case 'pull': {
        const room = this.#rooms.get(ask.room);
        const format = room?.formats.get(ask.track);
        return room && media.pull(ask.n, room.port, ask.track, format ?? UNKNOWN);
      }
      case 'pull-feedback':
        return media.pulled(ask.n)?.feedback(ask.feedback);
      case 'unpull':
        return media.unpull(ask.n);
      case 'shut':
        return this.#shut(ask.room);
    }
  }

  async #join(n: number, room: string, ask: JoinAsk): Promise<void> {
    const { leg } = ask;
    const { tell } = this.#o;
    let mine = false;
    try {
      if (this.#legs.has(leg) || this.#coming.has(leg))
        throw refuse('server', 'leg-in-use', `Leg ${leg} is in a room already.`);
      if (this.#legs.size + this.#coming.size >= MAX_LEGS)
        throw refuse(
          'server',
          'busy',
          `This process has ${MAX_LEGS} legs at this room node, which is the limit.`,
        );
      const port = await this.#find(room, ask);
      this.#open(room, port);
      this.#legs.set(leg, port);
      mine = true;
      const joined = await port.join(ask, notice => {
        tell({ t: 'notice', leg, notice });
        if (notice.type === 'close') this.#forget(leg);
      });
      if (this.#over === undefined) tell({ t: 'joined', n, joined });
      else port.leave(leg, this.#over); // the connection was lost while the room thought about it
    } catch (error) {
      const why = terminationOf(error);
      if (why.reason === 'internal-error') this.#o.onBug(error);
      if (mine) this.#forget(leg);
      tell({ t: 'refused', n, why });
    }
  }

  /** Asks this node for the room, which may have to ask others whose it is; the leg may leave meanwhile. */
  async #find(room: string, ask: JoinAsk): Promise<RoomPort> {
    const found = this.#o.rooms(room, ask.who.address);
    if (!(found instanceof Promise)) return found;
    const coming: Coming = { left: undefined };
    this.#coming.set(ask.leg, coming);
    const port = await found.finally(() => this.#coming.delete(ask.leg));
    const left = this.#over ?? coming.left;
    if (left === undefined) return port;
    await port.join(ask, () => {}); // a room that was made for it ends with it
    port.leave(ask.leg, left);
    throw new Refusal(left);
  }

  /** Subscribes to the room, or to the one made anew under its name; what it holds now is told first. */
  #open(room: string, port: RoomPort): void {
    const before = this.#rooms.get(room);
    if (before?.port === port) return;
    before?.stop();
    const tracks = [...port.tracks()];
    const formats = new Map(tracks.map(t => [t.info.id, t.info.format]));
    this.#o.tell({ t: 'snapshot', room, tracks, speakers: port.speakers(), layout: port.layout() });
    const served: ServedRoom = { port, formats, stop: port.on(e => this.#source(served, e)) };
    this.#rooms.set(room, served);
  }

  #source({ port: { room }, formats }: ServedRoom, e: SourceEvent): void {
    const { tell } = this.#o;
    if (e.type === 'speakers') return tell({ t: 'speakers', room, participants: e.participants });
    if (e.type === 'layout') return tell({ t: 'layout', room, layout: e.layout });
    if (e.type === 'untrack') {
      formats.delete(e.id);
      return tell({ t: 'untrack', room, id: e.id });
    }
    const { id, format } = e.track.info;
    const before = formats.get(id);
    formats.set(id, format);
    tell({ t: 'track', room, track: e.track });
    if (before !== undefined && formatsDiffer(before, format)) this.#media.renew(room, id, format);
  }

  #watch(n: number, room: string): void {
    const served = this.#rooms.get(room);
    if (served === undefined || this.#watches.has(n) || this.#watches.size >= MAX_WATCHES) return;
    this.#watches.set(n, { room, stop: served.port.watch(event => this.#o.tell({ t: 'event', n, event })) });
  }

  #leave(leg: string, why: Termination): void {
    const coming = this.#coming.get(leg);
    if (coming !== undefined) coming.left = why;
    const port = this.#legs.get(leg);
    this.#forget(leg);
    port?.leave(leg, why);
  }

  #forget(leg: string): void {
    this.#legs.delete(leg);
    this.#media.legGone(leg);
  }

  #shut(room: string): void {
    this.#media.roomGone(room);
    for (const [n, w] of this.#watches) {
      if (w.room !== room) continue;
      w.stop();
      this.#watches.delete(n);
    }
    this.#rooms.get(room)?.stop();
    this.#rooms.delete(room);
  }

  /** The connection is gone: so is every leg that came by it. Idempotent. */
  end(why: Termination): void {
    if (this.#over !== undefined) return;
    this.#over = why;
    for (const room of [...this.#rooms.keys()]) this.#shut(room);
    for (const leg of [...this.#legs.keys()])
      try {
        this.#leave(leg, why);
      } catch (error) {
        this.#o.onBug(error);
      }
  }
}
