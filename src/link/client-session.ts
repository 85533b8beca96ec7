import type { Feedback, RoomEvent, Termination } from '../contract.ts';
import { Refusal } from '../kit/refusal.ts';
import type { ClockSink } from '../media/room-source.ts';
import type { Joined, LegNotice } from '../room/port.ts';
import type { IncomingFlows } from './flows.ts';
import type { MediaPath } from './media-path.ts';
import type { AskOut, Tell } from './messages.ts';

/** What a session must know of a room it has opened. */
export interface SessionRoom {
  readonly room: string;
  told(tell: Extract<Tell, { room: string }>): void;
  /** The session is over. */
  lost(): void;
}

/** What one pull gets. */
export interface PullEnd {
  readonly flows: IncomingFlows;
  readonly clock: ClockSink;
}

interface Waiting {
  resolve(joined: Joined): void;
  reject(why: Refusal): void;
}

/** One standing connection to a room node, as the rooms of this process use it: who is to be told what comes back. */
export class ClientSession {
  readonly path: MediaPath;
  readonly rooms = new Map<string, SessionRoom>();
  readonly legs = new Map<string, (notice: LegNotice) => void>();
  readonly publications = new Map<string, (feedback: Feedback) => void>();
  readonly watches = new Map<number, (event: RoomEvent) => void>();
  readonly pulls = new Map<number, PullEnd>();
  readonly #joins = new Map<number, Waiting>();
  readonly #send: (ask: AskOut) => void;
  readonly #onBug: (error: unknown) => void;
  #numbers = 0;
  #over: Termination | undefined;

  /** `onBug`: one of those who were told has thrown. */
  constructor(path: MediaPath, send: (ask: AskOut) => void, onBug: (error: unknown) => void) {
    this.path = path;
    this.#send = send;
    this.#onBug = onBug;
  }

  number(): number {
    return ++this.#numbers;
  }
  /** Ignored once the session is over. */
  send(ask: AskOut): void {
    if (this.#over === undefined) this.#send(ask);
  }
  /** Resolves with the answer to the `join` sent as number `n`. */
  joined(n: number): Promise<Joined> {
    return new Promise((resolve, reject) => {
      if (this.#over !== undefined) reject(new Refusal(this.#over));
      else this.#joins.set(n, { resolve, reject });
    });
  }

  handle(tell: Tell): void {
    this.#safely(() => this.#handle(tell));
  }

  #handle(tell: Tell): void {
    switch (tell.t) {
      case 'joined':
        return this.#settle(tell.n)?.resolve(tell.joined);
      case 'refused':
        return this.#settle(tell.n)?.reject(new Refusal(tell.why));
      case 'notice': {
        const notify = this.legs.get(tell.leg);
        if (tell.notice.type === 'close') this.legs.delete(tell.leg);
        return notify?.(tell.notice);
      }
      case 'feedback':
        return this.publications.get(tell.id)?.(tell.feedback);
      case 'event':
        return this.watches.get(tell.n)?.(tell.event);
      case 'flow':
        return this.pulls.get(tell.n)?.flows.begin(tell.start);
      case 'clock':
        return this.pulls.get(tell.n)?.clock(tell.pts, tell.captureMs);
      default:
        return this.rooms.get(tell.room)?.told(tell);
    }
  }

  /** Everyone who waits or sits is told. */
  end(why: Termination): void {
    if (this.#over !== undefined) return;
    this.#over = why;
    for (const waiting of this.#joins.values()) waiting.reject(new Refusal(why));
    const seats = [...this.legs.values()];
    for (const map of [this.#joins, this.legs, this.publications, this.watches, this.pulls]) map.clear();
    for (const notify of seats) this.#safely(() => notify({ type: 'close', why }));
    for (const room of [...this.rooms.values()]) this.#safely(() => room.lost());
    this.rooms.clear();
  }

  #settle(n: number): Waiting | undefined {
    const waiting = this.#joins.get(n);
    this.#joins.delete(n);
    return waiting;
  }

  #safely(run: () => void): void {
    try {
      run();
    } catch (error) {
      this.#onBug(error);
    }
  }
}
