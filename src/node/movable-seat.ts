import type {
  Feedback,
  Format,
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

export interface SeatHooks {
  /** The leg has shown itself, once. */
  readonly confirmed: () => void;
  readonly left: (why: Termination) => void;
}

/** A seat whose leg can be taken to another room: what it publishes and wants goes along, and the leg notices nothing. */
export class MovableSeat implements Seat {
  #seat: Seat;
  readonly #published = new Set<MovedPublication>();
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
    for (const publication of this.#published) publication.moveTo(seat);
    if (this.#confirmed) seat.confirmed();
    if (this.#absent) seat.absent(true);
    for (const subscription of this.#wanted) subscription.begin(seat);
    for (const on of this.#watches.keys()) this.#watches.set(on, seat.watch(on));
  }

  publish(track: NewTrack, on: (f: Feedback) => void): Publication {
    const publication = new MovedPublication(track, on, this.#seat, () =>
      this.#published.delete(publication),
    );
    this.#published.add(publication);
    return publication;
  }

  want(want: Want, sink: Sink<MediaPacket>, on: (e: TrackEvent) => void): Subscription {
    const subscription = new MovedSubscription(want, sink, on, () => this.#wanted.delete(subscription));
    this.#wanted.add(subscription);
    subscription.begin(this.#seat);
    return subscription;
  }

  watch(on: (e: RoomEvent) => void): () => void {
    this.#watches.set(on, this.#seat.watch(on));
    return () => {
      this.#watches.get(on)?.();
      this.#watches.delete(on);
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

class MovedPublication implements Publication {
  #inner: Publication;
  #track: NewTrack;
  #paused = false;
  readonly #on: (f: Feedback) => void;
  readonly #closed: () => void;

  constructor(track: NewTrack, on: (f: Feedback) => void, seat: Seat, closed: () => void) {
    this.#track = track;
    this.#on = on;
    this.#closed = closed;
    this.#inner = seat.publish(track, on);
  }

  get id(): string {
    return this.#inner.id;
  }

  readonly sink: Sink<MediaPacket> = (packet, now) => this.#inner.sink(packet, now);

  moveTo(seat: Seat): void {
    this.#inner = seat.publish(this.#track, this.#on);
    if (this.#paused) this.#inner.pause(true);
  }

  clock(pts: number, captureMs: number): void {
    this.#inner.clock(pts, captureMs);
  }
  format(format: Format): void {
    this.#track = { ...this.#track, format };
    this.#inner.format(format);
  }
  pause(on: boolean): void {
    this.#paused = on;
    this.#inner.pause(on);
  }
  close(): void {
    this.#closed();
    this.#inner.close();
  }
}

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
