import type {
  Feedback,
  Format,
  MediaPacket,
  NewTrack,
  Sink,
  Termination,
  TrackEvent,
  Want,
} from '../../../src/contract.ts';
import type { AskOut, Tell } from '../protocol.ts';
import type { Running } from '../running.ts';
import { PublishedTrack, type TrackOwner, WantedTrack } from './tracks.ts';

/** What the server says of one track. */
type TrackTell = Extract<Tell, { t: 'serving' | 'idle' | 'unserved' | 'lacking' | 'clock' | 'heard' }>;

/** All tracks of a member, over all its sessions. */
export class MemberTracks implements TrackOwner {
  readonly say: (ask: AskOut) => void;
  readonly #published = new Map<number, PublishedTrack>();
  readonly #wanted = new Map<number, WantedTrack>();
  #running: Running | undefined;
  #serial = 0;

  constructor(say: (ask: AskOut) => void) {
    this.say = say;
  }

  /** Undefined while there is no session: between a loss and the resume. */
  get running(): Running | undefined {
    return this.#running;
  }
  forget(n: number): void {
    this.#published.delete(n);
    this.#wanted.delete(n);
  }

  publish(track: NewTrack, on: (f: Feedback) => void): PublishedTrack {
    const n = ++this.#serial;
    const published = new PublishedTrack(n, track, on, this);
    this.#published.set(n, published);
    if (this.#running !== undefined) published.attach(this.#running);
    return published;
  }

  /** `gone`: it was closed. */
  want(want: Want, sink: Sink<MediaPacket>, on: (e: TrackEvent) => void, gone?: () => void): WantedTrack {
    const n = ++this.#serial;
    const wanted = new WantedTrack(n, want, sink, on, this, gone);
    this.#wanted.set(n, wanted);
    if (this.#running !== undefined) wanted.attach(this.#running);
    return wanted;
  }

  /** The next session: everything is published and wanted again. */
  attach(running: Running): void {
    this.#running = running;
    for (const track of this.#all()) track.attach(running);
  }
  /** There is no session. */
  detach(): void {
    for (const track of this.#all()) track.detach();
    this.#running = undefined;
  }
  close(): void {
    this.#running = undefined;
    for (const track of this.#all()) track.close();
  }

  told(t: TrackTell): void {
    const wanted = this.#wanted.get(t.n);
    switch (t.t) {
      case 'serving': {
        const { track, format, how } = t;
        const e = { type: 'serving', format: format as Format, how, ...(track && { track }) };
        return wanted?.told(e as TrackEvent);
      }
      case 'idle':
        return wanted?.told({ type: 'idle' });
      case 'unserved':
      case 'lacking':
        return wanted?.told({ type: t.t, why: t.why as Termination });
      case 'clock':
        return wanted?.clockTold(t.pts, t.atMs);
      case 'heard': {
        const { packets, lost, jitterMs } = t;
        return this.#published.get(t.n)?.heardTold({ packets, lost, jitterMs });
      }
    }
  }

  #all(): (PublishedTrack | WantedTrack)[] {
    return [...this.#published.values(), ...this.#wanted.values()];
  }
}
