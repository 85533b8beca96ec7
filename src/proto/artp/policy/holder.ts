import type { Millis } from '../../../kit/core.ts';
import type { MediaPolicy } from '../media/policy-types.ts';
import type { Choice } from './choice.ts';

/** What is weaker must have been enough for so long. */
const WEAKER_AFTER_MS = 10_000;
/** Costs that differ by less are the same strength. */
const SAME = 1.005;

/** Turns choices into what is in use: stronger at once, weaker only after 10 s; at once too when it no longer fits the path. */
export class PolicyHolder<P extends MediaPolicy = MediaPolicy> {
  #held: Choice<P> | undefined;
  /** The strongest of the weaker ones that were chosen since then. */
  #weaker: Choice<P> | undefined;
  #weakerSince: Millis = 0;

  get held(): Choice<P> | undefined {
    return this.#held;
  }

  /** What to use from now on. Call it with each new choice. */
  update(choice: Choice<P>, now: Millis): Choice<P> {
    const held = this.#held;
    const tooMuch = held !== undefined && held.pathBps > choice.availableBps;
    if (held === undefined || tooMuch || choice.bitrateBps * SAME >= held.bitrateBps)
      return this.#use(choice);
    if (this.#weaker === undefined) {
      this.#weakerSince = now;
      this.#weaker = choice;
    } else if (choice.bitrateBps >= this.#weaker.bitrateBps) this.#weaker = choice;
    return now - this.#weakerSince >= WEAKER_AFTER_MS ? this.#use(this.#weaker) : held;
  }

  #use(choice: Choice<P>): Choice<P> {
    this.#weaker = undefined;
    return (this.#held = choice);
  }
}
