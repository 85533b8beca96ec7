import type { Termination } from '../../../src/contract.ts';
import { Refusal } from '../../../src/kit/refusal.ts';
import type { AskOut } from '../protocol.ts';

/** What was asked of the room and is not answered yet. */
export class Asked {
  readonly #open = new Map<number, { readonly done: () => void; readonly fail: (why: Refusal) => void }>();
  #serial = 0;

  /** Says what `make` makes of a number of its own. Rejects with the Refusal of the room, or that of `failAll`. */
  ask(make: (id: number) => AskOut, say: (ask: AskOut) => void): Promise<void> {
    const id = ++this.#serial;
    return new Promise((done, fail) => {
      this.#open.set(id, { done, fail });
      say(make(id));
    });
  }

  done(id: number): void {
    this.#open.get(id)?.done();
    this.#open.delete(id);
  }

  /** False: nobody waits for that answer. */
  refused(id: number, why: Termination): boolean {
    const asked = this.#open.get(id);
    this.#open.delete(id);
    asked?.fail(new Refusal(why));
    return asked !== undefined;
  }

  /** There is no answer any more. */
  failAll(why: Termination): void {
    for (const { fail } of this.#open.values()) fail(new Refusal(why));
    this.#open.clear();
  }
}
