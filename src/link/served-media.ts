import type { Format, NewTrack, Publication } from '../contract.ts';
import { refuse } from '../kit/refusal.ts';
import type { Pull } from '../media/room-source.ts';
import type { RoomPort } from '../room/port.ts';
import { IncomingFlows } from './flows.ts';
import type { LinkFlow, MediaPath } from './media-path.ts';
import type { TellOut } from './messages.ts';

/** What one process may hold at a room node. */
const MEDIA_LIMITS = { publications: 40_000, pulls: 100_000 } as const;

interface Published {
  readonly leg: string;
  readonly publication: Publication;
  readonly flows: IncomingFlows;
}
interface Pulled {
  readonly room: string;
  readonly track: string;
  readonly pull: Pull;
  readonly flow: LinkFlow;
}

/** The tracks of one session at the room node: publications come in by the path, pulls go out by it. */
export class ServedMedia {
  readonly #path: MediaPath;
  readonly #tell: (tell: TellOut) => void;
  readonly #published = new Map<string, Published>();
  readonly #pulled = new Map<number, Pulled>();

  constructor(path: MediaPath, tell: (tell: TellOut) => void) {
    this.#path = path;
    this.#tell = tell;
  }

  /** Throws a Refusal at the limit. An id that is in use is the mistake of its publisher: the first one stands. */
  publish(port: RoomPort, leg: string, id: string, track: NewTrack): void {
    if (this.#published.has(id)) return;
    if (this.#published.size >= MEDIA_LIMITS.publications)
      throw refuse(
        'server',
        'busy',
        `This process publishes ${MEDIA_LIMITS.publications} tracks here, the limit.`,
      );
    const publication = port.publish(leg, id, track, feedback => this.#tell({ t: 'feedback', id, feedback }));
    this.#published.set(id, { leg, publication, flows: new IncomingFlows(this.#path, publication.sink) });
  }
  publication(id: string): Published | undefined {
    return this.#published.get(id);
  }
  unpublish(id: string): void {
    this.#forget(id)?.publication.close();
  }
  /** The room has ended the publications of this leg, or will. */
  legGone(leg: string): void {
    for (const [id, p] of this.#published) if (p.leg === leg) this.#forget(id);
  }
  #forget(id: string): Published | undefined {
    const p = this.#published.get(id);
    p?.flows.end();
    this.#published.delete(id);
    return p;
  }

  pull(n: number, port: RoomPort, track: string, format: Format): void {
    if (this.#pulled.has(n) || this.#pulled.size >= MEDIA_LIMITS.pulls) return;
    const flow = this.#path.flow(format, start => this.#tell({ t: 'flow', n, start }));
    const pull = port.pull(
      track,
      p => this.#path.send(flow, p),
      (pts, captureMs) => this.#tell({ t: 'clock', n, pts, captureMs }),
    );
    this.#pulled.set(n, { room: port.room, track, pull, flow });
  }
  pulled(n: number): Pull | undefined {
    return this.#pulled.get(n)?.pull;
  }
  unpull(n: number): void {
    const p = this.#pulled.get(n);
    this.#pulled.delete(n);
    p?.pull.close();
    p?.flow.close();
  }
  /** The track goes on in another format, which has just been told: its packets are told apart from those before. */
  renew(room: string, track: string, format: Format): void {
    for (const p of this.#pulled.values()) if (p.room === room && p.track === track) p.flow.renew(format);
  }
  /** Nothing is pulled from this room any more. */
  roomGone(room: string): void {
    for (const [n, p] of this.#pulled) if (p.room === room) this.unpull(n);
  }
}
