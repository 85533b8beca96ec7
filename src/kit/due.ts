import { type Millis, NEVER } from './core.ts';

interface Entry<T> {
  readonly at: Millis;
  readonly order: number;
  readonly item: T;
}

/** Things that are due at a time: the earliest first, of one time in the order they came (a binary heap). */
export class DueQueue<T> {
  readonly #heap: Entry<T>[] = [];
  #order = 0;

  get size(): number {
    return this.#heap.length;
  }
  /** When the next one is due; NEVER when there is none. */
  get deadline(): Millis {
    return this.#heap[0]?.at ?? NEVER;
  }

  push(at: Millis, item: T): void {
    const heap = this.#heap;
    const entry = { at, order: this.#order++, item };
    let i = heap.length;
    for (let above = (i - 1) >> 1; i > 0 && before(entry, heap[above]!); above = (i - 1) >> 1) {
      heap[i] = heap[above]!;
      i = above;
    }
    heap[i] = entry;
  }

  /** Takes the next one that is due at `now`. */
  take(now: Millis): T | undefined {
    const first = this.#heap[0];
    if (first === undefined || first.at > now) return undefined;
    const last = this.#heap.pop()!;
    if (last !== first) this.#sink(last);
    return first.item;
  }

  /** Puts `entry` at the top and lets it down to its place. */
  #sink(entry: Entry<T>): void {
    const heap = this.#heap;
    let i = 0;
    for (;;) {
      let below = 2 * i + 1;
      if (below >= heap.length) break;
      if (below + 1 < heap.length && before(heap[below + 1]!, heap[below]!)) below++;
      if (!before(heap[below]!, entry)) break;
      heap[i] = heap[below]!;
      i = below;
    }
    heap[i] = entry;
  }
}

const before = (a: Entry<unknown>, b: Entry<unknown>): boolean =>
  a.at < b.at || (a.at === b.at && a.order < b.order);
