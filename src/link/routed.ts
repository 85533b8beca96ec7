import type { Clock } from '../contract.ts';
import { RelayRoutes, type RouterOffer } from '../proto/artp/relay/relay-routes.ts';
import type { MediaPath } from './media-path.ts';

export interface RoutedOptions {
  readonly path: MediaPath;
  /** Where the room node itself awaits datagrams. */
  readonly direct: { readonly address: string; readonly port: number };
  readonly routers: readonly RouterOffer[];
  /** Connection ids. */
  readonly ours: Uint8Array;
  readonly theirs: Uint8Array;
  readonly send: (bytes: Buffer, address: string, port: number) => void;
  readonly clock: Clock;
  readonly random: (bytes: number) => Buffer;
  readonly count: (reason: string) => void;
}

/** Probes without an answer after which the other ways are asked. */
const SILENT_PROBES = 2;

/**
 * The ways of one link: by a router near us as long as one is bound and answers, else straight. A way is only ever
 * asked here; media moves to the one that answers.
 */
export class RoutedPath {
  readonly #o: RoutedOptions;
  readonly #routes: RelayRoutes;
  #open: readonly RouterOffer[] = [];
  #disarm: () => void = () => {};
  #armed = Number.POSITIVE_INFINITY;
  #turn = 0;

  constructor(options: RoutedOptions) {
    const { path, direct, clock } = options;
    this.#o = options;
    const on = (router: RouterOffer, isOpen: boolean): void => {
      this.#open = isOpen ? [router, ...this.#open] : this.#open.filter(r => r !== router);
      const next = this.#open[0];
      if (next !== undefined) path.challenge(next.host, next.port);
      else path.challenge(direct.address, direct.port);
    };
    this.#routes = new RelayRoutes({ ...options, on }, clock.now());
    this.#arm();
  }

  /** True when it was for us. */
  receive(bytes: Buffer, address: string, port: number, now: number): boolean {
    const isOurs = this.#routes.receive(bytes, address, port, now);
    if (isOurs) this.#arm();
    return isOurs;
  }

  /** Once a second. True when a way was asked: the one in use, or, when that answers no more, the next. */
  tick(): boolean {
    const { path, direct, clock } = this.#o;
    if (this.#open.length === 0) return false;
    if (path.unanswered < SILENT_PROBES) {
      path.probe();
      return true;
    }
    this.#routes.again(clock.now());
    this.#arm();
    const ways = [direct, ...this.#open.map(r => ({ address: r.host, port: r.port }))];
    const next = ways[this.#turn++ % ways.length] as typeof direct;
    path.challenge(next.address, next.port);
    return true;
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
    const { clock } = this.#o;
    this.#disarm = clock.at(deadline, () => {
      this.#armed = Number.POSITIVE_INFINITY;
      this.#routes.tick(clock.now());
      this.#arm();
    });
  }
}
