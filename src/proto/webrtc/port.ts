import { isDtls } from './dtls/record.ts';
import type { PeerAddress } from './ice-lite.ts';
import { isStun } from './stun.ts';

/** RFC 7983 §7: what a datagram on the shared port is, by its first byte. RTCP is media too (RFC 5761). */
export function kindOf(datagram: Uint8Array): 'media' | 'stun' | 'dtls' | undefined {
  const first = datagram[0];
  if (first === undefined) return undefined;
  if (first >= 128 && first < 192) return 'media';
  if (isStun(datagram)) return 'stun';
  return isDtls(datagram) ? 'dtls' : undefined;
}

/** Addresses remembered of one peer: its candidate pairs. The oldest goes. */
const MAX_PATHS = 16;

interface Places {
  ufrags: readonly string[];
  readonly paths: string[];
}

/**
 * Who is who on one UDP port: checks find their peer by our ufrag, all else by the address a valid check came from.
 * A stranger's datagrams find nobody.
 */
export class SharedPort<P extends object> {
  readonly #byUfrag = new Map<string, P>();
  readonly #byPath = new Map<string, P>();
  readonly #places = new Map<P, Places>();

  get size(): number {
    return this.#places.size;
  }

  /** Enters a peer, or changes its ufrags (ICE restart). */
  enter(peer: P, ufrags: readonly string[]): void {
    const places = this.#places.get(peer) ?? { ufrags: [], paths: [] };
    for (const ufrag of places.ufrags) this.#byUfrag.delete(ufrag);
    for (const ufrag of ufrags) this.#byUfrag.set(ufrag, peer);
    places.ufrags = ufrags;
    this.#places.set(peer, places);
  }

  /** The peer proved to be at `from`. Another peer there before (a port reused) loses it. */
  path(peer: P, from: PeerAddress): void {
    const places = this.#places.get(peer);
    const key = pathKey(from);
    const owner = this.#byPath.get(key);
    if (places === undefined || owner === peer) return;
    if (owner !== undefined) this.#forget(owner, key);
    this.#byPath.set(key, peer);
    places.paths.push(key);
    if (places.paths.length > MAX_PATHS) this.#byPath.delete(places.paths.shift()!);
  }

  byUfrag(ufrag: string): P | undefined {
    return this.#byUfrag.get(ufrag);
  }

  byPath(from: PeerAddress): P | undefined {
    return this.#byPath.get(pathKey(from));
  }

  leave(peer: P): void {
    const places = this.#places.get(peer);
    if (places === undefined) return;
    this.#places.delete(peer);
    for (const ufrag of places.ufrags) this.#byUfrag.delete(ufrag);
    for (const key of places.paths) this.#byPath.delete(key);
  }

  #forget(peer: P, key: string): void {
    const paths = this.#places.get(peer)?.paths;
    const at = paths?.indexOf(key) ?? -1;
    if (at >= 0) paths!.splice(at, 1);
  }
}

const pathKey = (from: PeerAddress): string => `${from.address} ${from.port}`;
