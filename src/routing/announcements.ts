import { type Millis, NEVER } from '../kit/core.ts';
import type { Binding } from './bindings.ts';
import { ANNOUNCE_MS } from './bound-elsewhere.ts';
import { type Announced, type ControlBody, MAX_ANNOUNCED } from './control.ts';

/** A new binding is announced so many times, so fast: its first answer may already be under way. */
const FRESH_TIMES = 5;
const FRESH_MS = 50;
/** What changes faster than this is told with the next announcement of all. */
const MAX_FRESH = 500;

const announced = ({ client, serverTag }: Binding, isBound: boolean): Announced => ({
  client,
  serverTag,
  isBound,
});

/** Tells the other routers who is bound here: changes at once and a few times, everything now and then. */
export class Announcements {
  readonly #tell: (body: ControlBody) => void;
  readonly #fresh: { readonly announced: Announced; left: number }[] = [];
  #number = 0;
  #freshAt: Millis = NEVER;
  #allAt: Millis;

  /** `tell`: to every other router. */
  constructor(tell: (body: ControlBody) => void, now: Millis) {
    this.#tell = tell;
    this.#allAt = now + ANNOUNCE_MS;
  }

  get deadline(): Millis {
    return Math.min(this.#freshAt, this.#allAt);
  }

  /** Is bound now, or no longer. */
  changed(binding: Binding, isBound: boolean, now: Millis): void {
    if (this.#fresh.length >= MAX_FRESH) return;
    this.#fresh.push({ announced: announced(binding, isBound), left: FRESH_TIMES });
    if (this.#freshAt === NEVER) this.#tellFresh(now);
  }

  tick(all: Iterable<Binding>, now: Millis): void {
    if (now >= this.#freshAt) this.#tellFresh(now);
    if (now < this.#allAt) return;
    this.#allAt = now + ANNOUNCE_MS;
    this.#announce(Array.from(all, b => announced(b, true)));
  }

  #tellFresh(now: Millis): void {
    this.#announce(this.#fresh.map(f => f.announced));
    for (const f of this.#fresh) f.left--;
    this.#fresh.splice(0, this.#fresh.length, ...this.#fresh.filter(f => f.left > 0));
    this.#freshAt = this.#fresh.length > 0 ? now + FRESH_MS : NEVER;
  }

  #announce(all: readonly Announced[]): void {
    for (let at = 0; at < all.length; at += MAX_ANNOUNCED)
      this.#tell({
        kind: 'bindings',
        number: ++this.#number,
        bindings: all.slice(at, at + MAX_ANNOUNCED),
      });
  }
}
