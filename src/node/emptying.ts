import type { Clock, LegEvent, Millis, Termination } from '../contract.ts';
import { type Held, OUT_OF_SERVICE } from './held-leg.ts';

/** A leg that was asked to move to another agent has so long before it is closed. */
const MOVE_MS = 10_000;
const LOOK_MS = 20;

/** What the desk does that has the legs. */
export interface EmptyingNeeds {
  readonly clock: Clock;
  readonly tell: (held: Held, event: LegEvent) => void;
  readonly close: (held: Held, why: Termination) => void;
  /** It has not ended. */
  readonly has: (held: Held) => boolean;
}

/** Where legs may go when this process ends. */
export interface Elsewhere {
  /** This one. */
  readonly process: string;
  /** An agent of that gateway in another process takes legs now. */
  readonly takes: (gateway: string) => boolean;
  /** How long those who go are waited for. */
  readonly forMs: Millis;
}

/** Nobody goes anywhere. */
export const NOWHERE: Elsewhere = { process: '', takes: () => false, forMs: 0 };

/** Gets the legs of an agent to go on with another one. */
export class Emptying {
  readonly #o: EmptyingNeeds;

  constructor(needs: EmptyingNeeds) {
    this.#o = needs;
  }

  /** Who cannot move stays until it ends. */
  drain(legs: readonly Held[]): void {
    for (const held of legs) this.#move(held);
  }

  /** Who cannot move, or has not when that has lasted too long, ends in words; unless the agent is back by then. */
  retire(legs: readonly Held[], isOut: () => boolean): void {
    const { clock, close } = this.#o;
    for (const held of legs)
      if (!this.#move(held)) close(held, OUT_OF_SERVICE);
      else
        held.disarm = clock.at(clock.now() + MOVE_MS, () => {
          if (isOut()) close(held, OUT_OF_SERVICE);
        });
  }

  /**
   * The process ends. Resolves when everybody has gone who can, or none of the others takes legs any more, or after `forMs`;
   * at once where nobody can go anywhere.
   */
  async leave(legs: readonly Held[], { process, takes, forMs }: Elsewhere): Promise<void> {
    const { clock, has } = this.#o;
    const asked: Held[] = [];
    for (const held of legs) {
      if (held.leg === undefined || !takes(held.request.gateway)) continue;
      held.keeps = isDialledAgain(held) || (isSignalledStill(held, process) && this.#move(held));
      if (held.keeps && !isDialledAgain(held)) asked.push(held);
    }
    const until: Millis = clock.now() + forMs;
    while (asked.some(held => has(held) && takes(held.request.gateway)) && clock.now() < until)
      await new Promise<void>(done => clock.at(clock.now() + LOOK_MS, () => done()));
  }

  /** Who comes back by itself may be asked to; a peer that cannot be told so stays until it ends. False: it cannot move. */
  #move(held: Held): boolean {
    const { outlivesAgent, returns } = held.request;
    if (held.leg === undefined || !(outlivesAgent || returns)) return false;
    this.#o.tell(held, { type: 'move' });
    return true;
  }
}

/** Its front does not end with this process; or it came in by the agent's own door, and knows others. */
const isSignalledStill = ({ owner, request }: Held, process: string): boolean =>
  owner !== process || request.pin !== undefined;

/**
 * A publisher whose program dials another agent when this one closes its connection (RTMP), with a ticket or token that
 * leads to its seat; who only claims a name would find it taken.
 */
const isDialledAgain = ({ request: { pin, returns, roles, who } }: Held): boolean =>
  pin !== undefined &&
  !returns &&
  roles.includes('send') &&
  !roles.includes('signal') &&
  who.proof !== 'claimed';
