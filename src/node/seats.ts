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
import type { JoinAsk, LegNotice, NumberedRequest, RoomPort } from '../room/port.ts';
import { SteadyRoom } from './steady-room.ts';
import type { Ticker } from './ticker.ts';

interface SharedRoom {
  readonly port: SteadyRoom;
  readonly egress: RoomEgress;
  readonly untick: () => void;
  seats: number;
  readonly legs: Map<string, RoomSeat>;
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
  /** The way to a room, wherever it is now; `suspect`: the process that hosts it did not answer. */
  readonly find: (room: string, address: string | undefined, suspect: boolean) => Promise<RoomPort>;
  /** There is no process that could host the room, and its legs have ended. */
  readonly abandon?: (room: string) => void;
}

/** Makes the seats of this process. All seats of one room share the way there and its egress. */
export class Seats {
  readonly #o: SeatsOptions;
  readonly #rooms = new Map<string, SharedRoom>();

  constructor(options: SeatsOptions) {
    this.#o = options;
  }

  /** Joins the room of `request`. Rejects with the room's Refusal. */
  async take(request: NumberedRequest, on: (n: LegNotice) => void): Promise<Seated> {
    const { leg, attempt = 1, gateway, who, roles, track } = request;
    const numbered = attempt > 1 && { attempt };
    const ask: JoinAsk = { leg, ...numbered, gateway, who, roles, ...(track && { track }) };
    const shared = this.#share(request.room);
    try {
      const joined = await shared.port.join(ask, on);
      const seat = new RoomSeat(request, joined.participant, shared.port, shared.egress, () => {
        shared.legs.delete(leg);
        this.#release(shared);
      });
      shared.legs.set(leg, seat);
      return { seat, secret: joined.secret };
    } catch (error) {
      this.#release(shared);
      throw error;
    }
  }

  /** The store has named the host of a room; see `SteadyRoom.follow`. */
  hosted(room: string): void {
    const port = this.#rooms.get(room)?.port;
    port?.follow().catch(() => {}); // it stays where it is, as long as that is there
  }

  #share(room: string): SharedRoom {
    let shared = this.#rooms.get(room);
    if (shared === undefined) {
      const { clock, log, count, find, abandon = () => {} } = this.#o;
      const bug = (error: unknown): void => log.error({ room, err: error }, 'bug in a leg that listens');
      const legs = new Map<string, RoomSeat>();
      const port = new SteadyRoom({
        room,
        clock,
        find,
        abandon,
        renamed: (leg, participant) => legs.get(leg)?.rename(participant),
      });
      const egress = new RoomEgress(port, { clock, count, bug });
      shared = { port, egress, untick: this.#o.ticker.add(now => egress.tick(now)), seats: 0, legs };
      this.#rooms.set(room, shared);
    }
    shared.seats++;
    return shared;
  }

  #release(shared: SharedRoom): void {
    if (--shared.seats > 0) return;
    this.#rooms.delete(shared.port.room);
    shared.untick();
    shared.egress.close();
  }
}

class RoomSeat implements Seat {
  readonly room: string;
  #participant: string;
  readonly #leg: string;
  readonly #port: RoomPort;
  readonly #egress: RoomEgress;
  /** What is wanted, and how to want it again in another name. */
  readonly #subscriptions = new Map<object, { end(): void; again(): void }>();
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
    this.#participant = participant;
    this.#leg = request.leg;
    this.#port = port;
    this.#egress = egress;
    this.#release = release;
  }

  publish(track: NewTrack, on: (f: Feedback) => void): Publication {
    return this.#port.publish(this.#leg, `${this.#leg}/${this.#published++}`, track, on);
  }

  get participant(): string {
    return this.#participant;
  }

  /** The room has gone on elsewhere, and somebody else has its id there. One does not hear oneself: what it wants begins anew. */
  rename(participant: string): void {
    this.#participant = participant;
    for (const subscription of [...this.#subscriptions.values()]) subscription.again();
  }

  want(want: Want, sink: Sink<MediaPacket>, on: (e: TrackEvent) => void): Subscription {
    let wanted = want;
    const open = (): Subscription => this.#egress.want(this.#participant, wanted, sink, on);
    let subscription = open();
    const outer: Subscription = {
      update: w => {
        wanted = w;
        subscription.update(w);
      },
      feedback: f => subscription.feedback(f),
      timeOf: pts => subscription.timeOf(pts),
      close: () => {
        this.#subscriptions.delete(outer);
        subscription.close();
      },
    };
    this.#subscriptions.set(outer, {
      end: () => subscription.close(),
      again: () => {
        subscription.close();
        subscription = open();
      },
    });
    return outer;
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

  absent(on: boolean): void {
    if (this.#release !== undefined) this.#port.absent(this.#leg, on);
  }

  leave(why: Termination): void {
    if (this.#release === undefined) return;
    for (const subscription of this.#subscriptions.values()) subscription.end();
    for (const unwatch of this.#watches) unwatch();
    this.#port.leave(this.#leg, why);
    this.#release();
    this.#release = undefined;
  }
}
