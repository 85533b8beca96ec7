import type { Millis } from '../kit/core.ts';
import { connectionKey, isConnection } from '../proto/artp/trailer.ts';
import { LIMITS } from './bindings.ts';
import type { Announced } from './control.ts';

/** Announced every five seconds; three of those may be lost. */
export const ANNOUNCE_MS = 5000;
const KEEP_MS = 3 * ANNOUNCE_MS + 1000;
const MAX_OF_ONE_ROUTER = LIMITS.bindings;

/** A client that is bound at another router. */
interface Elsewhere {
  readonly client: Buffer;
  serverTag: number;
  router: number;
  until: Millis;
}

/** What the other routers told of the clients bound there. A client may be bound at several. */
export class BoundElsewhere {
  readonly #byClient = new Map<number, Elsewhere[]>();
  readonly #ofRouter = new Map<number, number>();

  get size(): number {
    return this.#byClient.size;
  }

  note(router: number, { client, serverTag, isBound }: Announced, now: Millis): void {
    const key = connectionKey(client, 0);
    const there = this.#byClient.get(key) ?? [];
    const known = there.find(e => e.router === router);
    if (!isBound) return this.#drop(key, there, known);
    if (known !== undefined) {
      known.until = now + KEEP_MS;
      known.serverTag = serverTag;
      return;
    }
    const count = this.#ofRouter.get(router) ?? 0;
    if (count >= MAX_OF_ONE_ROUTER) return;
    this.#ofRouter.set(router, count + 1);
    there.push({ client: Buffer.from(client), serverTag, router, until: now + KEEP_MS });
    this.#byClient.set(key, there);
  }

  /** Routers where the client whose id stands at `at` is bound, and the tag of its server. */
  of(b: Uint8Array, at: number): readonly { readonly router: number; readonly serverTag: number }[] {
    const there = this.#byClient.get(connectionKey(b, at));
    return there?.[0] !== undefined && isConnection(b, at, there[0].client) ? there : [];
  }

  expire(now: Millis): void {
    for (const [key, there] of this.#byClient)
      for (const e of [...there]) if (e.until <= now) this.#drop(key, there, e);
  }

  forget(router: number): void {
    for (const [key, there] of this.#byClient)
      for (const e of [...there]) if (e.router === router) this.#drop(key, there, e);
  }

  #drop(key: number, there: Elsewhere[], one: Elsewhere | undefined): void {
    if (one === undefined) return;
    there.splice(there.indexOf(one), 1);
    this.#ofRouter.set(one.router, (this.#ofRouter.get(one.router) ?? 1) - 1);
    if (there.length === 0) this.#byClient.delete(key);
  }
}
