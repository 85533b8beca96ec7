import type { MediaPacket, Sink } from '../contract.ts';
import type { ClockSink, Pull } from '../media/room-source.ts';
import type { ClientSession } from './client-session.ts';
import { IncomingFlows } from './flows.ts';

/** What this process hears of one room of another: any number of pulls of each track. */
export class RemotePulls {
  readonly #room: string;
  readonly #byTrack = new Map<string, Set<IncomingFlows>>();

  constructor(room: string) {
    this.#room = room;
  }

  pull(session: ClientSession, track: string, sink: Sink<MediaPacket>, clock: ClockSink): Pull {
    const n = session.number();
    const flows = new IncomingFlows(session.path, sink);
    const ofTrack = this.#byTrack.get(track) ?? new Set();
    this.#byTrack.set(track, ofTrack.add(flows));
    session.pulls.set(n, { flows, clock });
    session.send({ t: 'pull', n, room: this.#room, track });
    return {
      feedback: f => {
        if (session.pulls.has(n)) session.send({ t: 'pull-feedback', n, feedback: f });
      },
      close: () => {
        ofTrack.delete(flows);
        if (ofTrack.size === 0 && this.#byTrack.get(track) === ofTrack) this.#byTrack.delete(track);
        flows.end();
        if (session.pulls.delete(n)) session.send({ t: 'unpull', n });
      },
    };
  }

  /** Nothing of this track that was sent before now is wanted any more. */
  endFlows(track: string): void {
    for (const flows of this.#byTrack.get(track) ?? []) flows.end();
  }

  /** The room is over. */
  clear(): void {
    this.#byTrack.clear();
  }
}
