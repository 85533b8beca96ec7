import type { Clock } from '../contract.ts';
import { RelayRoutes, type RouterOffer } from '../proto/artp/relay/relay-routes.ts';
import type { Route } from '../proto/artp/session/types.ts';
import type { MediaPath } from './media-path.ts';

export interface RoutedOptions {
  readonly path: MediaPath;
  readonly routers: readonly RouterOffer[];
  /** Connection ids. */
  readonly ours: Uint8Array;
  readonly theirs: Uint8Array;
  readonly send: (bytes: Buffer, address: string, port: number) => void;
  readonly clock: Clock;
  readonly random: (bytes: number) => Buffer;
  readonly count: (reason: string) => void;
}

/** The ways of one link by routers near us: taken before the straight one as long as one is bound and answers. */
export class RoutedPath {
  readonly #o: RoutedOptions;
  readonly #routes: RelayRoutes;
  readonly #open = new Map<RouterOffer, Route>();
  #disarm: () => void = () => {};
  #armed = Number.POSITIVE_INFINITY;

  constructor(options: RoutedOptions) {
    this.#o = options;
    const on = (router: RouterOffer, isOpen: boolean): void => {
      if (isOpen) this.#begin(router);
      else this.#end(router);
    };
    this.#routes = new RelayRoutes({ ...options, on }, options.clock.now());
    this.#arm();
  }

  /** True when it was for us. */
  receive(bytes: Buffer, address: string, port: number, now: number): boolean {
    const isOurs = this.#routes.receive(bytes, address, port, now);
    if (isOurs) this.#arm();
    return isOurs;
  }

  /** Once a second: a way that fell silent may know us by an address that is not ours any more. */
  tick(): void {
    if ([...this.#open.values()].every(route => this.#o.path.answers(route))) return;
    this.#routes.again(this.#o.clock.now());
    this.#arm();
  }

  close(): void {
    this.#routes.close();
    this.#disarm();
  }

  #begin(router: RouterOffer): void {
    if (this.#open.has(router)) return;
    const { host: address, port, id: via } = router;
    const route: Route = { kind: 'udp', address, port, via, first: true };
    this.#open.set(router, route);
    this.#o.path.addRoute(route);
  }

  #end(router: RouterOffer): void {
    const route = this.#open.get(router);
    if (route === undefined) return;
    this.#open.delete(router);
    this.#o.path.dropRoute(route);
  }

  #arm(): void {
    const { deadline } = this.#routes;
    if (deadline === this.#armed) return;
    this.#disarm();
    this.#armed = deadline;
    if (deadline === Number.POSITIVE_INFINITY) return;
    const { clock } = this.#o;
    this.#disarm = clock.at(deadline, () => {
      this.#armed = Number.POSITIVE_INFINITY;
      this.#routes.tick(clock.now());
      this.#arm();
    });
  }
}
