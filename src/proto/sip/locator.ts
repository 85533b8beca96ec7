import { type Core, type Millis, NEVER, type Tick } from '../../kit/core.ts';
import {
  type DnsRecord,
  type LocateOptions,
  type Locating,
  locate,
  type Question,
  type Target,
} from './locate.ts';
import { parseUri } from './uri.ts';

export type LocatorIn =
  /** Answered by `located` with the same id. */
  | { readonly type: 'locate'; readonly id: number; readonly uri: string }
  /** No records: there are none, or nobody knows. */
  | {
      readonly type: 'answer';
      readonly question: Question;
      readonly records: readonly DnsRecord[];
      readonly ttlS: number;
    }
  /** Nobody served there: it is tried last for a while. */
  | { readonly type: 'penalty'; readonly target: Target }
  | { readonly type: 'pardon'; readonly target: Target };

export type LocatorOut =
  | { readonly type: 'ask'; readonly question: Question }
  | { readonly type: 'located'; readonly id: number; readonly targets: readonly Target[] };

/** A name that was not there may be there soon; one that changes should be noticed; none is asked for all the time. */
const TTL_S = { least: 5, most: 3600, none: 10 };
const MAX_CACHED = 1000;
const MAX_PENALTIES = 1000;

const keyOf = (q: Question): string => `${q.kind} ${q.name.toLowerCase()}`;
export const targetKey = (t: Target): string => `${t.transport}:${t.address}:${t.port}`;

interface Search {
  readonly id: number;
  readonly steps: Locating;
}

/** Runs `locate` for many at once: remembers answers for as long as they hold, and who failed lately. */
export class Locator implements Core<LocatorIn, LocatorOut> {
  readonly deadline: Millis = NEVER; // what is out of date is seen when it is looked at
  readonly #o: LocateOptions;
  readonly #penaltyMs: Millis;
  readonly #out: LocatorOut[] = [];
  readonly #cache = new Map<string, { readonly records: readonly DnsRecord[]; readonly until: Millis }>();
  /** Question → who waits for it. */
  readonly #waiting = new Map<string, Search[]>();
  readonly #penalties = new Map<string, Millis>();

  constructor(options: LocateOptions, penaltyMs: Millis) {
    this.#o = options;
    this.#penaltyMs = penaltyMs;
  }

  /** It failed lately. */
  failed(target: Target, now: Millis): boolean {
    return (this.#penalties.get(targetKey(target)) ?? 0) > now;
  }

  poll(): LocatorOut | undefined {
    return this.#out.shift();
  }

  handle(input: LocatorIn | Tick, now: Millis): void {
    switch (input.type) {
      case 'locate': {
        const uri = parseUri(input.uri);
        if (uri === undefined || uri.host === '')
          return void this.#out.push({ type: 'located', id: input.id, targets: [] });
        const steps = locate(uri, this.#o);
        return this.#go({ id: input.id, steps }, steps.next(), now);
      }
      case 'answer':
        return this.#answered(input, now);
      case 'penalty':
        bound(this.#penalties, MAX_PENALTIES);
        this.#penalties.set(targetKey(input.target), now + this.#penaltyMs);
        return;
      case 'pardon':
        this.#penalties.delete(targetKey(input.target));
        return;
      case 'tick':
        return;
    }
  }

  #answered(input: Extract<LocatorIn, { type: 'answer' }>, now: Millis): void {
    const key = keyOf(input.question);
    const { records } = input;
    const ttlS = records.length === 0 ? TTL_S.none : Math.min(Math.max(input.ttlS, TTL_S.least), TTL_S.most);
    this.#cache.delete(key);
    bound(this.#cache, MAX_CACHED);
    this.#cache.set(key, { records, until: now + ttlS * 1000 });
    const waiting = this.#waiting.get(key) ?? [];
    this.#waiting.delete(key);
    for (const search of waiting) this.#go(search, search.steps.next(records), now);
  }

  #go(search: Search, at: IteratorResult<Question, readonly Target[]>, now: Millis): void {
    let step = at;
    while (step.done !== true) {
      const key = keyOf(step.value);
      const known = this.#cache.get(key);
      if (known === undefined || known.until <= now) {
        const waiting = this.#waiting.get(key);
        if (waiting !== undefined) return void waiting.push(search);
        this.#waiting.set(key, [search]);
        return void this.#out.push({ type: 'ask', question: step.value });
      }
      step = search.steps.next(known.records);
    }
    this.#out.push({ type: 'located', id: search.id, targets: this.#ranked(step.value, now) });
  }

  /** Those that failed lately go last, in their order. */
  #ranked(targets: readonly Target[], now: Millis): Target[] {
    return [...targets].sort((a, b) => Number(this.failed(a, now)) - Number(this.failed(b, now)));
  }
}

/** Makes room for one more: the oldest goes. */
function bound<K>(map: Map<K, unknown>, max: number): void {
  if (map.size >= max) map.delete(map.keys().next().value as K);
}
