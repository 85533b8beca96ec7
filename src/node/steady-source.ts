import type { MediaPacket, RoomEvent, Sink } from '../contract.ts';
import type { ClockSink, Layout, Pull, RoomSource, SourceEvent, TrackState } from '../media/room-source.ts';
import type { RoomPort } from '../room/port.ts';

/** What is heard and seen of a room, by whatever port leads there now; nothing while there is none. */
export class SteadySource implements RoomSource {
  readonly room: string;
  #port: RoomPort | undefined;
  #unlisten: () => void = () => {};
  readonly #listeners = new Set<(e: SourceEvent) => void>();
  /** What each watch is undone by; undefined while it is not watched. */
  readonly #watches = new Map<(e: RoomEvent) => void, (() => void) | undefined>();

  constructor(room: string) {
    this.room = room;
  }

  get port(): RoomPort | undefined {
    return this.#port;
  }

  /** The room is there. Watches begin when a leg of them has joined: `watchAgain`. */
  attach(port: RoomPort): void {
    this.#port = port;
    this.#unlisten = port.on(e => this.#tell(e));
    for (const track of port.tracks()) this.#tell({ type: 'track', track });
    this.#tell({ type: 'speakers', participants: port.speakers() });
    this.#tell({ type: 'layout', layout: port.layout() });
  }

  /** The room is not there any more: nothing comes from it. */
  detach(): void {
    const port = this.#port;
    if (port === undefined) return;
    this.#port = undefined;
    this.#unlisten();
    const tracks = [...port.tracks()];
    for (const [on, undo] of this.#watches) {
      undo?.();
      this.#watches.set(on, undefined);
    }
    for (const { info } of tracks) this.#tell({ type: 'untrack', id: info.id });
    this.#tell({ type: 'speakers', participants: [] });
  }

  watchAgain(): void {
    const port = this.#port;
    if (port === undefined) return;
    for (const [on, undo] of this.#watches) if (undo === undefined) this.#watches.set(on, port.watch(on));
  }

  watch(on: (e: RoomEvent) => void): () => void {
    const own = (e: RoomEvent): void => on(e); // the same function twice is two watches
    this.#watches.set(own, undefined);
    if (this.#port !== undefined) this.#watches.set(own, this.#port.watch(own));
    return () => {
      this.#watches.get(own)?.();
      this.#watches.delete(own);
    };
  }

  on(listener: (e: SourceEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }
  tracks(): Iterable<TrackState> {
    return this.#port?.tracks() ?? [];
  }
  speakers(): readonly string[] {
    return this.#port?.speakers() ?? [];
  }
  layout(): Layout {
    return this.#port?.layout() ?? 'speaker';
  }
  pull(track: string, sink: Sink<MediaPacket>, clock: ClockSink): Pull {
    return this.#port?.pull(track, sink, clock) ?? { feedback() {}, close() {} };
  }

  #tell(e: SourceEvent): void {
    for (const listener of [...this.#listeners]) listener(e);
  }
}
