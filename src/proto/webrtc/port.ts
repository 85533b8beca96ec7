import type { Millis } from '../../kit/core.ts';
import { isDtls } from '../dtls/record.ts';
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
/** Checks come every few seconds; an address without one for so long is free for another peer (its port was reused). */
const PATH_HELD_MS = 10_000;

interface Path<P> {
  readonly peer: P;
  checkedAt: Millis;
}

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
  readonly #byPath = new Map<string, Path<P>>();
  readonly #places = new Map<P, Places>();

  /** Enters a peer, or changes its ufrags (ICE restart). */
  enter(peer: P, ufrags: readonly string[]): void {
    const places = this.#places.get(peer) ?? { ufrags: [], paths: [] };
    for (const ufrag of places.ufrags) this.#byUfrag.delete(ufrag);
    for (const ufrag of ufrags) this.#byUfrag.set(ufrag, peer);
    places.ufrags = ufrags;
    this.#places.set(peer, places);
  }

  /**
   * A valid check of the peer came from `from`. False when the address is another's: a lite agent cannot tell a forged
   * source address, and nobody shall take over media with one.
   */
  path(peer: P, from: PeerAddress, now: Millis): boolean {
    const places = this.#places.get(peer);
    if (places === undefined) return false;
    const key = pathKey(from);
    const held = this.#byPath.get(key);
    if (held?.peer === peer) {
      held.checkedAt = now;
      return true;
    }
    if (held !== undefined) {
      if (now < held.checkedAt + PATH_HELD_MS) return false;
      this.#forget(held.peer, key);
    }
    this.#byPath.set(key, { peer, checkedAt: now });
    places.paths.push(key);
    if (places.paths.length > MAX_PATHS) this.#byPath.delete(places.paths.shift()!);
    return true;
  }

  byUfrag(ufrag: string): P | undefined {
    return this.#byUfrag.get(ufrag);
  }

  byPath(from: PeerAddress): P | undefined {
    return this.#byPath.get(pathKey(from))?.peer;
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
