import { availableParallelism } from 'node:os';
import type { Clock } from '../../src/contract.ts';
import { type Lodger, type Tenant, Thread } from './thread.ts';
import type { ToWorker } from './wire.ts';

export interface Tenancy {
  readonly job: number;
  /** False: there is no worker at the moment, and nothing was sent. A message with an `id` is answered. */
  post(m: ToWorker, transfer?: readonly ArrayBuffer[]): boolean;
  close(): void;
}

/** At most `max` workers share all jobs. `script`: what a worker runs (tests have their own). */
export class VideoWorkers {
  readonly #script: URL;
  readonly #max: number;
  readonly #threads = new Set<Thread>();
  #jobs = 0;
  /** Workers replaced since the start because they crashed or hung. */
  replaced = 0;

  constructor(
    script: URL = new URL('./worker.js', import.meta.url),
    max: number = Math.max(1, availableParallelism() - 1),
  ) {
    this.#script = script;
    this.#max = max;
  }

  get running(): number {
    return this.#threads.size;
  }

  /** Opens a job on the worker with the fewest; resolves when that one is ready. Rejects with a Refusal. */
  async place(tenant: Tenant, clock: Clock): Promise<Tenancy> {
    const lodger: Lodger = { job: ++this.#jobs, tenant, struckAt: Number.NEGATIVE_INFINITY };
    const thread = this.#pick(clock);
    await thread.add(lodger);
    return {
      job: lodger.job,
      post: (m, transfer = []) => thread.post(m, transfer),
      close: () => thread.remove(lodger),
    };
  }

  /** Ends all workers; jobs still open get nothing more. */
  async close(): Promise<void> {
    await Promise.all([...this.#threads].map(thread => thread.end()));
  }

  #pick(clock: Clock): Thread {
    const threads = [...this.#threads].sort((a, b) => a.load - b.load);
    const [least] = threads;
    if (least !== undefined && (least.load === 0 || threads.length >= this.#max)) return least;
    const thread: Thread = new Thread(this.#script, clock, {
      ended: () => this.#threads.delete(thread),
      replaced: () => this.replaced++,
    });
    this.#threads.add(thread);
    return thread;
  }
}
