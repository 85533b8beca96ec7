import type { LadderStep } from '../contract.ts';

/** Ladders of the last legs are kept, each bounded: what an operator asks for is mostly the newest. */
const MAX_LEGS = 2000;
const MAX_STEPS = 300;

/** Every signalling step of a leg, in time order, for `GET /legs/{id}/ladder`. */
export class Ladders {
  readonly #legs = new Map<string, LadderStep[]>();

  add(leg: string, step: LadderStep): void {
    let steps = this.#legs.get(leg);
    if (steps === undefined) {
      if (this.#legs.size >= MAX_LEGS) this.#legs.delete(this.#legs.keys().next().value as string);
      steps = [];
      this.#legs.set(leg, steps);
    }
    if (steps.length < MAX_STEPS) steps.push(step);
  }

  get(leg: string): readonly LadderStep[] | undefined {
    return this.#legs.get(leg);
  }
}
