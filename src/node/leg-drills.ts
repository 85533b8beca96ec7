import type { Clock, Leg, LegDrill, Log } from '../contract.ts';
import { refuse } from '../kit/refusal.ts';

/** What the agents of a leg are asked: to impair it for `ms`, or (null) no longer. */
export interface LegDrillAsk {
  readonly drill: string;
  readonly leg: string;
  readonly impaired: LegDrill | null;
  readonly ms: number;
}

/** The drills on the legs of this process. Each ends by itself here, whoever asked for it and has died since. */
export class LegDrills {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #ends = new Map<string, () => void>();

  constructor(o: { readonly clock: Clock; readonly log: Log }) {
    this.#clock = o.clock;
    this.#log = o.log;
  }

  /** Throws a Refusal when the leg cannot be impaired. The newest order counts. */
  set(gateway: string, leg: Leg | undefined, ask: LegDrillAsk): void {
    if (leg?.drill === undefined)
      throw refuse(
        'client',
        'no-drill',
        `Media of ${gateway} legs does not travel in datagrams of ours, so a drill cannot impair it.`,
      );
    this.ended(ask.leg);
    leg.drill(ask.impaired);
    if (ask.impaired === null) return;
    const over = (): void => {
      this.#ends.delete(ask.leg);
      leg.drill?.(null);
      this.#log.info({ leg: ask.leg, drill: ask.drill }, 'drill over on a leg');
    };
    this.#ends.set(ask.leg, this.#clock.at(this.#clock.now() + ask.ms, over));
  }

  /** The leg has gone, or its drill. */
  ended(leg: string): void {
    this.#ends.get(leg)?.();
    this.#ends.delete(leg);
  }
}
