/** First in, first out, without moving what stays. */
export class Queue<T> {
  #items: T[] = [];
  #next = 0;

  add(item: T): void {
    this.#items.push(item);
  }

  take(): T | undefined {
    if (this.#next === this.#items.length) {
      if (this.#next > 0) {
        this.#items.length = 0;
        this.#next = 0;
      }
      return undefined;
    }
    return this.#items[this.#next++];
  }
}
