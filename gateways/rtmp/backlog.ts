import type { Millis } from '../../src/contract.ts';

/** How old the oldest byte is that a connection has not sent yet. Bytes counted from the beginning. */
export class Backlog {
  #total = 0;
  readonly #written: { readonly end: number; readonly at: Millis }[] = [];

  wrote(bytes: number, now: Millis): void {
    this.#total += bytes;
    this.#written.push({ end: this.#total, at: now });
  }

  /** Age in ms; 0 when nothing waits. `queuedBytes` is what the connection still holds. */
  ageMs(queuedBytes: number, now: Millis): number {
    const sent = this.#total - queuedBytes;
    let gone = 0;
    while (gone < this.#written.length && (this.#written[gone] as { end: number }).end <= sent) gone++;
    if (gone > 0) this.#written.splice(0, gone);
    const oldest = this.#written[0];
    return oldest === undefined ? 0 : now - oldest.at;
  }
}
