import { NO_TAG } from '../proto/artp/relay/connection-id.ts';

/** Another router. Addresses are numeric, and what it sends comes from there. */
export interface RouterAt {
  readonly tag: number;
  readonly address: string;
  readonly port: number;
  readonly region: string;
}
/** A socket that serves aRTP: `tag` begins the connection ids it chooses. */
export type ServerAt = RouterAt;

interface Place {
  router: number;
  serverTags: number[];
}
const NOWHERE: Readonly<Place> = { router: NO_TAG, serverTags: [] };

/** Who may be at an address: a router, and the sockets that serve. */
export class Places {
  /** By address, by port. */
  #places = new Map<string, Map<number, Place>>();

  know(routers: readonly RouterAt[], servers: readonly ServerAt[]): void {
    this.#places = new Map();
    for (const at of routers) this.#of(at).router = at.tag;
    for (const at of servers) this.#of(at).serverTags.push(at.tag);
  }

  /** Tag of the router there; NO_TAG: none is. */
  routerAt(address: string, port: number): number {
    return this.#at(address, port).router;
  }
  /** Of the sockets that serve there. */
  serverTagsAt(address: string, port: number): readonly number[] {
    return this.#at(address, port).serverTags;
  }

  #at(address: string, port: number): Readonly<Place> {
    return this.#places.get(address)?.get(port) ?? NOWHERE;
  }

  #of({ address, port }: RouterAt): Place {
    const ports = this.#places.get(address) ?? new Map<number, Place>();
    this.#places.set(address, ports);
    const place = ports.get(port) ?? { router: NO_TAG, serverTags: [] };
    ports.set(port, place);
    return place;
  }
}
