import type {
  Clock,
  Feedback,
  LegRequest,
  Log,
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
import { RoomEgress } from '../egress/room-egress.ts';
import { Refusal } from '../kit/refusal.ts';
import type { JoinAsk, Joined, LegNotice, RoomPort } from '../room/port.ts';
import type { Ticker } from './ticker.ts';

interface SharedRoom {
  readonly port: RoomPort;
  readonly egress: RoomEgress;
  readonly untick: () => void;
  seats: number;
}

/** A seat, and the resume secret that came with it. */
export interface Seated {
  readonly seat: Seat;
  readonly secret: string;
}

export interface SeatsOptions {
  readonly clock: Clock;
  readonly ticker: Ticker;
  readonly log: Log;
  /** What egress dropped, by reason. */
  readonly count: (reason: string) => void;
  /** The way to a room, wherever it is; the same object for the same living room. */
  readonly find: (room: string, address?: string) => Promise<RoomPort>;
  /** The process that hosts the room does not answer: another is to be found. */
  readonly unreachable: (room: string) => void;
}

/** The room ended under our feet, or its process is gone and its advert not yet forgotten: asked once more, elsewhere. */
const ONCE_MORE = new Set(['room-ended', 'room-unreachable', 'room-lost', 'untrusted']);

/** Makes the seats of this process. All seats of one room share its port and its egress. */
export class Seats {
  readonly #o: SeatsOptions;
  readonly #rooms = new Map<RoomPort, SharedRoom>();

  constructor(options: SeatsOptions) {
    this.#o = options;
  }

  /** Joins the room of `request`. Rejects with the room's Refusal. */
  async take(request: LegRequest, on: (n: LegNotice) => void): Promise<Seated> {
    const { leg, gateway, who, roles, track } = request;
    const ask: JoinAsk = { leg, gateway, who, roles, ...(track && { track }) };
    let port = await this.#o.find(request.room, who.address);
    let joined: Joined;
    try {
      joined = await port.join(ask, on);
    } catch (error) {
      if (!(error instanceof Refusal) || !ONCE_MORE.has(error.why.reason)) throw error;
      if (error.why.reason !== 'room-ended') this.#o.unreachable(request.room);
      port = await this.#o.find(request.room, who.address);
      joined = await port.join(ask, on);
    }
    const shared = this.#share(port);
    const seat = new RoomSeat(request, joined.participant, shared.port, shared.egress, () =>
      this.#release(shared),
    );
    return { seat, secret: joined.secret };
  }

  #share(port: RoomPort): SharedRoom {
    let shared = this.#rooms.get(port);
    if (shared === undefined) {
      const { clock, log, count } = this.#o;
      const bug = (error: unknown): void =>
        log.error({ room: port.room, err: error }, 'bug in a leg that listens');
      const egress = new RoomEgress(port, { clock, count, bug });
      shared = { port, egress, untick: this.#o.ticker.add(now => egress.tick(now)), seats: 0 };
      this.#rooms.set(port, shared);
    }
    shared.seats++;
    return shared;
  }

  #release(shared: SharedRoom): void {
    if (--shared.seats > 0) return;
    this.#rooms.delete(shared.port);
    shared.untick();
    shared.egress.close();
  }
}

class RoomSeat implements Seat {
  readonly room: string;
  readonly participant: string;
  readonly #leg: string;
  readonly #port: RoomPort;
  readonly #egress: RoomEgress;
  readonly #subscriptions = new Set<Subscription>();
  readonly #watches = new Set<() => void>();
  #release: (() => void) | undefined;
  #published = 0;

  constructor(
    request: LegRequest,
    participant: string,
    port: RoomPort,
    egress: RoomEgress,
    release: () => void,
  ) {
    this.room = request.room;
    this.participant = participant;
    this.#leg = request.leg;
    this.#port = port;
    this.#egress = egress;
    this.#release = release;
  }

  publish(track: NewTrack, on: (f: Feedback) => void): Publication {
    return this.#port.publish(this.#leg, `${this.#leg}/${this.#published++}`, track, on);
  }

  want(want: Want, sink: Sink<MediaPacket>, on: (e: TrackEvent) => void): Subscription {
    const subscription = this.#egress.want(this.participant, want, sink, on);
    this.#subscriptions.add(subscription);
    return {
      update: w => subscription.update(w),
      feedback: f => subscription.feedback(f),
      timeOf: pts => subscription.timeOf(pts),
      close: () => {
        this.#subscriptions.delete(subscription);
        subscription.close();
      },
    };
  }

  watch(on: (e: RoomEvent) => void): () => void {
    const unwatch = this.#port.watch(on);
    this.#watches.add(unwatch);
    return () => {
      this.#watches.delete(unwatch);
      unwatch();
    };
  }

  confirmed(): void {
    if (this.#release !== undefined) this.#port.confirmed(this.#leg);
  }

  leave(why: Termination): void {
    if (this.#release === undefined) return;
    for (const subscription of this.#subscriptions) subscription.close();
    for (const unwatch of this.#watches) unwatch();
    this.#port.leave(this.#leg, why);
    this.#release();
    this.#release = undefined;
  }
}
