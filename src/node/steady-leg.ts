import type { Feedback, NewTrack, Termination } from '../contract.ts';
import type { JoinAsk, Joined, LegNotice, RoomPort } from '../room/port.ts';
import { SteadyPublication } from './steady-publication.ts';

/** A leg of this process in a room that may move: what it must be again wherever the room goes on. */
export class SteadyLeg {
  readonly id: string;
  readonly ask: JoinAsk;
  readonly #on: (n: LegNotice) => void;
  readonly #publications = new Map<string, SteadyPublication>();
  readonly #muted = { audio: false, video: false };
  joined: Joined | undefined;
  confirmed = false;
  absent = false;
  /** It left while there was no room: the next one is told. */
  leaving: Termination | undefined;

  constructor(ask: JoinAsk, on: (n: LegNotice) => void) {
    this.id = ask.leg;
    this.ask = ask;
    this.#on = on;
  }

  /** Asks for the participant it is already. */
  askAgain(): JoinAsk {
    const { ask, joined } = this;
    if (joined === undefined) return ask;
    return {
      ...ask,
      who: { ...ask.who, credential: joined.secret },
      reclaim: { ...joined, muted: { ...this.#muted } },
    };
  }

  tell(n: LegNotice): void {
    if (n.type === 'mute') this.#muted[n.media] = n.on;
    this.#on(n);
  }

  publish(id: string, track: NewTrack, on: (f: Feedback) => void): SteadyPublication {
    const publication = new SteadyPublication(id, track, on, () => this.#publications.delete(id));
    this.#publications.set(id, publication);
    return publication;
  }

  beginOne(publication: SteadyPublication, port: RoomPort): void {
    publication.begin((track, on) => port.publish(this.id, publication.id, track, on));
  }

  /** What it did in the room before goes on in this one, which it has joined. */
  begin(port: RoomPort): void {
    for (const p of this.#publications.values()) this.beginOne(p, port);
    if (this.confirmed) port.confirmed(this.id);
    if (this.absent) port.absent(this.id, true);
  }

  /** There is no room for what it publishes. */
  rest(): void {
    for (const p of this.#publications.values()) p.rest();
  }
}
