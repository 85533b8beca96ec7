import type { Clock, LegDrill, Millis } from '../contract.ts';
import { NEVER } from '../kit/core.ts';
import { ImpairedLink, type Impairment, type LinkInput } from '../kit/impairment.ts';
import { type Drive, drive } from './drive.ts';

/** What a datagram is on the line beyond its bytes: headers of IPv4 and UDP. */
const IP_UDP_BYTES = 28;

interface Held<Route> {
  readonly bytes: Buffer;
  readonly route: Route;
}

/** One direction: a link that is not there while it is good. */
class Direction<Route> {
  readonly #clock: Clock;
  readonly #deliver: (bytes: Buffer, route: Route, now: Millis) => void;
  #link: ImpairedLink<Held<Route>> | undefined;
  #drive: Drive<LinkInput<Held<Route>>> | undefined;
  #ending = false;

  constructor(clock: Clock, deliver: (bytes: Buffer, route: Route, now: Millis) => void) {
    this.#clock = clock;
    this.#deliver = deliver;
  }

  get isOn(): boolean {
    return this.#link !== undefined;
  }

  /** At the end what is under way arrives at its time, and no later packet before it. */
  set(impairment: Impairment | undefined, seed: number): void {
    this.#ending = impairment === undefined;
    if (!this.#ending && this.#link === undefined) {
      this.#link = new ImpairedLink(seed);
      this.#drive = drive(this.#link, this.#clock, ({ bytes, route }) => {
        this.#deliver(bytes, route, this.#clock.now());
        this.#end();
      });
    }
    this.#drive?.feed({ type: 'set', impairment: impairment ?? {} });
    this.#end();
  }

  /** Only while `isOn`. */
  pass(bytes: Uint8Array, length: number, route: Route): void {
    const packet = { bytes: Buffer.from(bytes.subarray(0, length)), route };
    this.#drive?.feed({ type: 'packet', packet, bytes: length + IP_UDP_BYTES });
  }

  close(): void {
    this.#drive?.stop();
    this.#drive = undefined;
    this.#link = undefined;
  }

  #end(): void {
    if (this.#ending && this.#link?.deadline === NEVER) this.close();
  }
}

/**
 * The datagrams of one leg, which a drill may impair. Without a drill `send` and `receive` are plain calls of those
 * given; `To` and `From` are whatever the owner tells its sockets and peers apart by.
 */
export class DrillLine<To, From = To> {
  readonly #send: (bytes: Uint8Array, length: number, to: To) => void;
  readonly #receive: (bytes: Buffer, from: From, now: Millis) => void;
  readonly #out: Direction<To>;
  readonly #in: Direction<From>;
  #closed = false;

  constructor(o: {
    readonly clock: Clock;
    readonly send: (bytes: Uint8Array, length: number, to: To) => void;
    readonly receive: (bytes: Buffer, from: From, now: Millis) => void;
  }) {
    this.#send = o.send;
    this.#receive = o.receive;
    this.#out = new Direction(o.clock, (bytes, to) => o.send(bytes, bytes.length, to));
    this.#in = new Direction(o.clock, (bytes, from, now) => o.receive(bytes, from, now));
  }

  /** False: a packet that goes around this line at once is treated no better. */
  get impairsOut(): boolean {
    return this.#out.isOn;
  }
  get impairsIn(): boolean {
    return this.#in.isOn;
  }

  /** Null: the drill is over. */
  drill(d: LegDrill | null): void {
    if (this.#closed) return;
    this.#out.set(d?.toMember, d?.seed ?? 0);
    this.#in.set(d?.fromMember, (d?.seed ?? 0) + 1);
  }

  send(bytes: Uint8Array, length: number, to: To): void {
    if (this.#out.isOn) this.#out.pass(bytes, length, to);
    else if (!this.#closed) this.#send(bytes, length, to);
  }

  /** `bytes` are only borrowed. */
  receive(bytes: Buffer, from: From, now: Millis): void {
    if (this.#in.isOn) this.#in.pass(bytes, bytes.length, from);
    else if (!this.#closed) this.#receive(bytes, from, now);
  }

  /** Drops what is under way. Idempotent. */
  close(): void {
    this.#closed = true;
    this.#out.close();
    this.#in.close();
  }
}
