import { type Millis, NEVER } from '../../../kit/core.ts';
import { BOUND } from './bind.ts';
import { RelayBinding } from './binding.ts';
import { readRelayTicket } from './ticket.ts';

/** A router that would relay for this session: in HELLO_ACK. */
export interface RouterOffer {
  /** Of the router's process, for reports. */
  readonly id: string;
  /** Numeric IP address. */
  readonly host: string;
  readonly port: number;
  readonly ticket: string;
}

/** More are not looked at, whoever offers them. */
export const MAX_OFFERS = 4;

export interface RelayRoutesOptions {
  readonly routers: readonly RouterOffer[];
  /** Connection ids of the session. */
  readonly ours: Uint8Array;
  readonly theirs: Uint8Array;
  readonly random: (bytes: number) => Buffer;
  /** By the socket the session sends from: routers know a client by its address. */
  readonly send: (bytes: Buffer, address: string, port: number) => void;
  /** A route by that router can be used, or no longer. */
  readonly on: (router: RouterOffer, isOpen: boolean, now: Millis) => void;
  readonly count: (reason: string) => void;
}

/** A client's bindings at all routers it was offered. Sans I/O: `tick` at `deadline`. */
export class RelayRoutes {
  readonly #o: RelayRoutesOptions;
  readonly #bindings = new Map<string, RelayBinding>();
  #now: Millis;

  constructor(options: RelayRoutesOptions, now: Millis) {
    this.#o = options;
    this.#now = now;
    const { ours, theirs, random } = options;
    for (const router of options.routers.slice(0, MAX_OFFERS)) {
      const ticket = readRelayTicket(router.ticket);
      if (ticket === undefined) {
        options.count('bad-relay-ticket');
        continue;
      }
      const send = (bytes: Buffer): void => options.send(bytes, router.host, router.port);
      const on = (isBound: boolean): void => options.on(router, isBound, this.#now);
      const binding = new RelayBinding({ ours, theirs, ticket, random, send, on }, now);
      this.#bindings.set(`${router.host} ${router.port}`, binding);
    }
  }

  get deadline(): Millis {
    let first = NEVER;
    for (const { deadline } of this.#bindings.values()) first = Math.min(first, deadline);
    return first;
  }

  tick(now: Millis): void {
    this.#now = now;
    for (const binding of this.#bindings.values()) binding.tick(now);
  }

  /** True when the datagram was a router's word about a binding, good or bad: nobody else wants it. */
  receive(b: Buffer, address: string, port: number, now: Millis): boolean {
    if (b[0] !== BOUND) return false;
    this.#now = now;
    const binding = this.#bindings.get(`${address} ${port}`);
    const junk = binding === undefined ? 'unasked-bound' : binding.handle(b, now);
    if (junk !== undefined) this.#o.count(junk);
    return true;
  }

  /** Our own address may have changed, or a path has fallen silent: bind anew at once. */
  again(now: Millis): void {
    this.#now = now;
    for (const binding of this.#bindings.values()) binding.again(now);
  }

  close(): void {
    for (const binding of this.#bindings.values()) binding.close();
  }
}
