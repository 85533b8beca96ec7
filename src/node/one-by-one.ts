/** What is done for one key is done one after the other, in the order in which it was asked for. */
export class OneByOne {
  readonly #last = new Map<string, Promise<unknown>>();

  /** Those for which something is being done. */
  get keys(): string[] {
    return [...this.#last.keys()];
  }

  /** Runs when what was asked for before is done, however that ended. */
  run<T>(key: string, run: () => Promise<T>): Promise<T> {
    const mine = (this.#last.get(key) ?? Promise.resolve()).then(run);
    const settled = mine.then(
      () => {},
      () => {},
    );
    this.#last.set(key, settled);
    void settled.then(() => {
      if (this.#last.get(key) === settled) this.#last.delete(key);
    });
    return mine;
  }

  /** All that was asked for until now is done. */
  async idle(): Promise<void> {
    await Promise.all(this.#last.values());
  }
}
