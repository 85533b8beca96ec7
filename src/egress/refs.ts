/** Things made when first asked for, shared by key, and closed when the last user lets go. */
export class Refs<V extends { close(): void }> {
  readonly #entries = new Map<string, { readonly value: V; users: number }>();

  /** The value of `key`, now with one user more. */
  acquire(key: string, make: () => V): V {
    let entry = this.#entries.get(key);
    if (entry === undefined) {
      entry = { value: make(), users: 0 };
      this.#entries.set(key, entry);
    }
    entry.users++;
    return entry.value;
  }

  release(key: string): void {
    const entry = this.#entries.get(key);
    if (entry === undefined || --entry.users > 0) return;
    this.#entries.delete(key);
    entry.value.close();
  }

  /** The value of `key`, if someone uses it. */
  get(key: string): V | undefined {
    return this.#entries.get(key)?.value;
  }

  get size(): number {
    return this.#entries.size;
  }

  *values(): IterableIterator<V> {
    for (const { value } of this.#entries.values()) yield value;
  }
}
