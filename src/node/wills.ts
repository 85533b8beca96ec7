import type { Bus } from '../bus/port.ts';
import type { Clock, Front, Json, Log, Termination } from '../contract.ts';
import { Refusal } from '../kit/refusal.ts';
import { subjects } from './subjects.ts';

/** What a front left behind for one leg; see the command `will`. */
interface Will {
  readonly gateway: string;
  readonly leg: string;
  readonly native: Json;
  readonly why: Termination;
}

/** How long a successor is waited for: a front that is started again by its supervisor, say. */
const WAIT_MS = 60_000;
const RETRY_MS = 1000;
const ASK_MS = 5000;

/**
 * The last will of fronts that vanished: the agents that hold their legs ask another front of the same gateway to end
 * the signalling (BYE), or wait for one to come.
 */
export class Wills {
  readonly #bus: Bus;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #undo: (() => void)[] = [];
  readonly #retries = new Set<() => void>();

  constructor(bus: Bus, clock: Clock, log: Log) {
    this.#bus = bus;
    this.#clock = clock;
    this.#log = log;
  }

  /** From now on `front` may be asked. */
  serve(gateway: string, front: Front): void {
    const { execute } = front;
    if (execute === undefined) return;
    this.#undo.push(
      this.#bus.serve(subjects.will(gateway), async data => {
        const { native, why, leg } = data as unknown as Will;
        await execute(native, why);
        this.#log.info({ leg, gateway }, 'ended a leg of a front that vanished');
        return true;
      }),
    );
  }

  execute(will: Will): void {
    this.#try(will, this.#clock.now() + WAIT_MS);
  }

  close(): void {
    for (const undo of this.#undo.splice(0)) undo();
    for (const forget of this.#retries) forget();
    this.#retries.clear();
  }

  #try(will: Will, until: number): void {
    this.#bus
      .request(subjects.will(will.gateway), will as unknown as Json, { timeoutMs: ASK_MS })
      .catch((error: unknown) => {
        const nobody = error instanceof Refusal && error.why.reason === 'no-responder';
        if (nobody && this.#clock.now() < until) return this.#later(() => this.#try(will, until));
        const { leg, gateway } = will;
        this.#log.warn(
          { leg, gateway, err: error },
          'nobody ended the signalling of a leg whose front vanished',
        );
      });
  }

  #later(run: () => void): void {
    const forget = this.#clock.at(this.#clock.now() + RETRY_MS, () => {
      this.#retries.delete(forget);
      run();
    });
    this.#retries.add(forget);
  }
}
