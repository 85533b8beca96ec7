import type {
  Feedback,
  MediaPacket,
  NewTrack,
  Publication,
  RoomEvent,
  Seat,
  Sink,
  Subscription,
  Termination,
  TrackEvent,
  Want,
} from '../contract.ts';
import { SteadyPublication } from './steady-publication.ts';

export interface SeatHooks {
  /** The leg has shown itself, once. */
  readonly confirmed: () => void;
  readonly left: (why: Termination) => void;
}

/** A seat whose leg can be taken to another room: what it publishes and wants goes along, and the leg notices nothing. */
export class MovableSeat implements Seat {
  #seat: Seat;
  readonly #published = new Set<SteadyPublication>();
  readonly #wanted = new Set<MovedSubscription>();
  readonly #watches = new Map<(e: RoomEvent) => void, () => void>();
  readonly #hooks: SeatHooks;
  #confirmed = false;
  #absent = false;
  #left = false;

  constructor(seat: Seat, hooks: SeatHooks) {
    this.#seat = seat;
    this.#hooks = hooks;
  }

  get room(): string {
    return this.#seat.room;
  }
  get participant(): string {
    return this.#seat.participant;
  }

  /** Takes the leg to `seat` and leaves the old one. When the leg has left meanwhile, `seat` is left, too. */
  moveTo(seat: Seat): void {
    const why: Termination = { blame: 'none', reason: 'moved' };
    if (this.#left) return seat.leave(why);
    const old = this.#seat;
    this.#seat = seat;
    for (const subscription of this.#wanted) subscription.end();
    old.leave(why);
    for (const publication of this.#published) begin(publication, seat);
    if (this.#confirmed) seat.confirmed();
    if (this.#absent) seat.absent(true);
    for (const subscription of this.#wanted) subscription.begin(seat);
    for (const on of this.#watches.keys()) this.#watches.set(on, seat.watch(on));
  }

  publish(track: NewTrack, on: (f: Feedback) => void): Publication {
    const publication = new SteadyPublication('', track, on, () => this.#published.delete(publication));
    this.#published.add(publication);
    begin(publication, this.#seat);
    return publication;
  }

  want(want: Want, sink: Sink<MediaPacket>, on: (e: TrackEvent) => void): Subscription {
    const subscription = new MovedSubscription(want, sink, on, () => this.#wanted.delete(subscription));
    this.#wanted.add(subscription);
    subscription.begin(this.#seat);
    return subscription;
  }

  watch(on: (e: RoomEvent) => void): () => void {
    const own = (e: RoomEvent): void => on(e); // the same function twice is two watches
    this.#watches.set(own, this.#seat.watch(own));
    return () => {
      this.#watches.get(own)?.();
      this.#watches.delete(own);
    };
  }

  confirmed(): void {
    if (this.#confirmed) return;
    this.#confirmed = true;
    this.#seat.confirmed();
    this.#hooks.confirmed();
  }

  absent(on: boolean): void {
    this.#absent = on;
    this.#seat.absent(on);
  }

  leave(why: Termination): void {
    if (this.#left) return;
    this.#left = true;
    this.#seat.leave(why);
    this.#hooks.left(why);
  }
}

const begin = (publication: SteadyPublication, seat: Seat): void =>
  publication.begin((track, on) => seat.publish(track, on));

class MovedSubscription implements Subscription {
  #inner: Subscription | undefined;
  #want: Want;
  readonly #sink: Sink<MediaPacket>;
  readonly #on: (e: TrackEvent) => void;
  readonly #closed: () => void;

  constructor(want: Want, sink: Sink<MediaPacket>, on: (e: TrackEvent) => void, closed: () => void) {
    this.#want = want;
    this.#sink = sink;
    this.#on = on;
    this.#closed = closed;
  }

  begin(seat: Seat): void {
    this.#inner = seat.want(this.#want, this.#sink, this.#on);
  }
  end(): void {
    this.#inner?.close();
  }
  update(want: Want): void {
    this.#want = want;
    this.#inner?.update(want);
  }
  feedback(f: Feedback): void {
    this.#inner?.feedback(f);
  }
  timeOf(...args: Parameters<Subscription['timeOf']>): ReturnType<Subscription['timeOf']> {
    return this.#inner?.timeOf(...args);
  }
  close(): void {
    this.#closed();
    this.#inner?.close();
  }
}
