import type { LadderStep } from '../contract.ts';

const MAX_STEPS = 300;
/** Of all steps together, about a byte each: messages may be long, and a stranger may send many in one call. */
const MAX_CHARS = 32 * 1024 * 1024;

interface Ladder {
  readonly steps: LadderStep[];
  chars: number;
}

/**
 * Every signalling step of a leg, in time order, for `GET /legs/{id}/ladder`. Of the last legs alone: what an operator
 * asks for is mostly the newest.
 */
export class Ladders {
  readonly #ladders = new Map<string, Ladder>();
  readonly #maxLegs: number;
  readonly #maxChars: number;
  #chars = 0;

  constructor(maxLegs: number, maxChars = MAX_CHARS) {
    this.#maxLegs = maxLegs;
    this.#maxChars = maxChars;
  }

  add(leg: string, step: LadderStep): void {
    const ladder = this.#ladders.get(leg) ?? this.#begin(leg);
    if (ladder.steps.length >= MAX_STEPS) return;
    const chars = step.summary.length + (step.text?.length ?? 0);
    while (this.#chars + chars > this.#maxChars && this.#ladders.size > 1) this.#forgetOldest(leg);
    if (this.#chars + chars > this.#maxChars) return;
    ladder.steps.push(step);
    ladder.chars += chars;
    this.#chars += chars;
  }

  get(leg: string): readonly LadderStep[] | undefined {
    return this.#ladders.get(leg)?.steps;
  }

  #begin(leg: string): Ladder {
    if (this.#ladders.size >= this.#maxLegs) this.#forgetOldest(leg);
    const made = { steps: [], chars: 0 };
    this.#ladders.set(leg, made);
    return made;
  }

  #forgetOldest(but: string): void {
    for (const [leg, { chars }] of this.#ladders) {
      if (leg === but) continue;
      this.#ladders.delete(leg);
      this.#chars -= chars;
      return;
    }
  }
}
