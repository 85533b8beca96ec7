import { randomBytes } from 'node:crypto';
import type { Clock } from '../../../src/contract.ts';
import { RelayRoutes, type RouterOffer } from '../../../src/proto/artp/relay/relay-routes.ts';
import type { Route } from '../../../src/proto/artp/session/types.ts';

export interface RelayedOptions {
  readonly routers: readonly RouterOffer[];
  /** Connection ids of the session. */
  readonly ours: Uint8Array;
  readonly theirs: Uint8Array;
  readonly send: (bytes: Uint8Array, length: number, route: Route) => void;
  /** A route by a router can be used, or no longer. */
  readonly on: (route: Route, isOpen: boolean) => void;
  readonly clock: Clock;
}

/** The bindings of a member at the routers its server offered, with their timer. */
export class Relayed {
  readonly #routes: RelayRoutes;
  readonly #clock: Clock;
  #armed = Number.POSITIVE_INFINITY;
  #disarm: () => void = () => {};

  constructor({ on, send, clock, ...o }: RelayedOptions) {
    this.#clock = clock;
    const routeOf = ({ id, host, port }: RouterOffer): Route => ({
      kind: 'udp',
      address: host,
      port,
      via: id,
    });
    this.#routes = new RelayRoutes(
      {
        ...o,
        random: randomBytes,
        send: (bytes, address, port) => send(bytes, bytes.length, { kind: 'udp', address, port }),
        on: (router, isOpen) => on(routeOf(router), isOpen),
        count: () => {},
      },
      clock.now(),
    );
    this.#arm();
  }

  /** True when the datagram was a router's own. */
  receive(bytes: Buffer, address: string, port: number): boolean {
    const isOurs = this.#routes.receive(bytes, address, port, this.#clock.now());
    if (isOurs) this.#arm();
    return isOurs;
  }

  /** Our address is another one now. */
  again(): void {
    this.#routes.again(this.#clock.now());
    this.#arm();
  }

  close(): void {
    this.#routes.close();
    this.#disarm();
  }

  #arm(): void {
    const { deadline } = this.#routes;
    if (deadline === this.#armed) return;
    this.#disarm();
    this.#armed = deadline;
    if (deadline === Number.POSITIVE_INFINITY) return;
    this.#disarm = this.#clock.at(deadline, () => {
      this.#armed = Number.POSITIVE_INFINITY;
      this.#routes.tick(this.#clock.now());
      this.#arm();
    });
  }
}
