import { refuse } from '../../kit/refusal.ts';

interface Entry<T> {
  readonly pattern: string;
  readonly words: readonly string[];
  readonly params: number;
  readonly methods: Map<string, T>;
}

export interface Match<T> {
  readonly params: Readonly<Record<string, string>>;
  readonly methods: ReadonlyMap<string, T>;
}

/** Paths such as `/whip/:room`; the match with the fewest parameters wins. There are few, so a list serves. */
export class Routes<T> {
  readonly #entries: Entry<T>[] = [];

  add(method: string, pattern: string, value: T): void {
    let entry = this.#entries.find(e => e.pattern === pattern);
    if (entry === undefined) {
      const words = pattern.split('/');
      entry = { pattern, words, params: words.filter(w => w.startsWith(':')).length, methods: new Map() };
      this.#entries.push(entry);
      this.#entries.sort((a, b) => a.params - b.params);
    }
    if (entry.methods.has(method)) throw new Error(`${method} ${pattern} has a handler already.`);
    entry.methods.set(method, value);
  }

  /** `path` without query, still percent-encoded. Throws a Refusal when a parameter cannot be decoded. */
  match(path: string): Match<T> | undefined {
    const words = path.split('/', 32);
    const entry = this.#entries.find(
      e =>
        e.words.length === words.length &&
        e.words.every((w, i) => (w.startsWith(':') ? words[i] !== '' : w === words[i])),
    );
    if (entry === undefined) return undefined;
    const params: Record<string, string> = {};
    entry.words.forEach((w, i) => {
      if (w.startsWith(':')) params[w.slice(1)] = decode(words[i] as string);
    });
    return { params, methods: entry.methods };
  }
}

function decode(word: string): string {
  try {
    return decodeURIComponent(word);
  } catch {
    throw refuse('client', 'bad-request', 'The path is not percent-encoded UTF-8; encode each part of it.');
  }
}
