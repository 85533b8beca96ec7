import type { Millis } from '../../src/contract.ts';
import type { Route } from '../../src/proto/artp/session/types.ts';
import { connectionKey, isConnection, TrailerView } from '../../src/proto/artp/trailer.ts';

/** What a datagram is handed to. */
export interface Receiver {
  /** The connection id of what is sent to it. */
  readonly connection: Uint8Array;
  receive(datagram: Uint8Array, route: Route, now: Millis): void;
}

interface Bound<T> {
  readonly receiver: T;
  readonly route: Route;
}

/** Whose datagram is it: by its connection id, or, without one, by where it comes from. */
export class Members<T extends Receiver> {
  readonly #byConnection = new Map<number, T>();
  /** By address, then port. A route is bound only once its session has opened a packet from there. */
  readonly #byRoute = new Map<string, Map<number, Bound<T>>>();
  readonly #trailer = new TrailerView();

  get size(): number {
    return this.#byConnection.size;
  }
  all(): T[] {
    return [...this.#byConnection.values()];
  }

  /** False: the id is taken (its first 48 bits). */
  free(connection: Uint8Array): boolean {
    return !this.#byConnection.has(connectionKey(connection, 0));
  }
  add(receiver: T): void {
    this.#byConnection.set(connectionKey(receiver.connection, 0), receiver);
  }
  remove(receiver: T): void {
    this.#byConnection.delete(connectionKey(receiver.connection, 0));
    for (const [address, ports] of this.#byRoute) {
      for (const [port, bound] of ports) if (bound.receiver === receiver) ports.delete(port);
      if (ports.size === 0) this.#byRoute.delete(address);
    }
  }

  bind(receiver: T, route: Route, on: boolean): void {
    const ports = this.#byRoute.get(route.address);
    if (!on) {
      if (ports?.get(route.port)?.receiver !== receiver) return;
      ports.delete(route.port);
      if (ports.size === 0) this.#byRoute.delete(route.address);
    } else if (ports !== undefined) ports.set(route.port, { receiver, route });
    else this.#byRoute.set(route.address, new Map([[route.port, { receiver, route }]]));
  }

  /** Who is bound to a route. */
  at(route: Route): T | undefined {
    return this.#byRoute.get(route.address)?.get(route.port)?.receiver;
  }

  /** Returns why it is nobody's, or undefined once it was handed over. */
  datagram(
    bytes: Buffer,
    kind: Route['kind'],
    address: string,
    port: number,
    now: Millis,
  ): string | undefined {
    const trailer = this.#trailer;
    const junk = trailer.read(bytes);
    if (junk !== undefined) return junk;
    const bound = this.#byRoute.get(address)?.get(port);
    const receiver = trailer.hasConnection
      ? this.#byConnection.get(connectionKey(bytes, trailer.start))
      : bound?.receiver;
    if (receiver === undefined) return trailer.hasConnection ? 'unknown-connection' : 'unknown-address';
    if (trailer.hasConnection && !isConnection(bytes, trailer.start, receiver.connection))
      return 'unknown-connection';
    const route = bound?.receiver === receiver ? bound.route : { kind, address, port };
    receiver.receive(bytes, route, now);
    return undefined;
  }
}
