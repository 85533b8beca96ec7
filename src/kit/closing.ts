/** What was opened, to be closed in reverse. Steps added while closing runs are not run. */
export class Closing {
  readonly #steps: (() => void | Promise<void>)[] = [];
  #closing: Promise<void> | undefined;

  add(...steps: (() => void | Promise<void>)[]): void {
    this.#steps.push(...steps);
  }

  /** Idempotent: everyone who asks waits for the same end. */
  close(): Promise<void> {
    this.#closing ??= this.#run();
    return this.#closing;
  }

  async #run(): Promise<void> {
    for (const step of this.#steps.reverse()) await step();
  }
}
