import type { Json } from '../contract.ts';
import { Refusal, terminationOf } from '../kit/refusal.ts';
import { BUS_LIMITS, type BusLimits, type BusOptions } from './port.ts';
import { busyRefusal, encode, type Reply } from './wire.ts';

/** Runs what users of a bus hand it: nothing they throw reaches the bus or another of them. */
export class Handlers {
  #running = 0;
  #idle: (() => void)[] = [];
  readonly limits: BusLimits;
  readonly #options: BusOptions;
  constructor(options: BusOptions) {
    this.limits = { ...BUS_LIMITS, ...options.limits };
    this.#options = options;
  }

  /** The reply as JSON text; never rejects. */
  async answer(handler: (data: Json) => Promise<Json> | Json, data: Json, subject: string): Promise<string> {
    const { payloadBytes, runningHandlers } = this.limits;
    if (this.#running >= runningHandlers)
      return encode({ refused: busyRefusal(runningHandlers).why }, payloadBytes, subject);
    this.#running++;
    try {
      const ok = await handler(data);
      return encode({ ok: ok ?? null } satisfies Reply, payloadBytes, subject);
    } catch (error) {
      if (!(error instanceof Refusal)) this.#options.onBug(error, subject);
      return JSON.stringify({ refused: terminationOf(error) } satisfies Reply);
    } finally {
      this.#running--;
      if (this.#running === 0) for (const done of this.#idle.splice(0)) done();
    }
  }

  tell(on: (data: Json, subject: string) => void, data: Json, subject: string): void {
    try {
      on(data, subject);
    } catch (error) {
      this.#options.onBug(error, subject);
    }
  }

  /** Resolves when no handler runs, or when that takes too long. */
  idle(): Promise<void> {
    if (this.#running === 0) return Promise.resolve();
    const { clock } = this.#options;
    return new Promise(done => {
      const disarm = clock.at(clock.now() + this.limits.closeWaitMs, done);
      this.#idle.push(() => {
        disarm();
        done();
      });
    });
  }
}
