import type { Clock } from '../../../src/contract.ts';

/** Timers that end together. */
export class Timers {
  readonly #clock: Clock;
  readonly #undo = new Set<() => void>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Returns its own undoing. */
  after(ms: number, run: () => void): () => void {
    const disarm = this.#clock.at(this.#clock.now() + ms, () => {
      this.#undo.delete(undo);
      run();
    });
    const undo = (): void => {
      this.#undo.delete(undo);
      disarm();
    };
    this.#undo.add(undo);
    return undo;
  }

  stop(): void {
    for (const undo of [...this.#undo]) undo();
  }
}
