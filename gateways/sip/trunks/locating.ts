import type { Clock } from '../../../src/contract.ts';
import { type Drive, drive } from '../../../src/io/drive.ts';
import type { Resolver } from '../../../src/io/resolver.ts';
import { type Flow, flowTo } from '../../../src/proto/sip/flow.ts';
import type { LocateOptions, Target } from '../../../src/proto/sip/locate.ts';
import { Locator, type LocatorIn } from '../../../src/proto/sip/locator.ts';

/** The locator with a resolver behind it. */
export class Locations {
  readonly #locator: Locator;
  readonly #clock: Clock;
  readonly #run: Drive<LocatorIn>;
  readonly #waiting = new Map<number, (targets: readonly Target[]) => void>();
  #next = 1;

  constructor(resolver: Resolver, clock: Clock, options: LocateOptions, penaltyMs: number) {
    this.#clock = clock;
    this.#locator = new Locator(options, penaltyMs);
    this.#run = drive(this.#locator, clock, out => {
      if (out.type === 'ask') {
        const { question } = out;
        resolver
          .resolve(question.kind, question.name)
          .catch(() => ({ records: [], ttlS: 0 }))
          .then(({ records, ttlS }) => this.#run.feed({ type: 'answer', question, records, ttlS }));
      } else {
        this.#waiting.get(out.id)?.(out.targets);
        this.#waiting.delete(out.id);
      }
    });
  }

  /** Where a request for this URI may go, the best first; none: the name leads nowhere. */
  find(uri: string): Promise<readonly Target[]> {
    const id = this.#next++;
    return new Promise(done => {
      this.#waiting.set(id, done);
      this.#run.feed({ type: 'locate', id, uri });
    });
  }

  failedLately(target: Target): boolean {
    return this.#locator.failed(target, this.#clock.now());
  }

  /** Served or not: tried in its turn, or last for a while. */
  note(target: Target, served: boolean): void {
    this.#run.feed({ type: served ? 'pardon' : 'penalty', target });
  }
}

export const flowOfTarget = (t: Target, tcpOver1300: boolean): Flow =>
  flowTo(t.transport, t.address, t.port, {
    ...(t.transport === 'tls' && { name: t.host }),
    ...(t.transport === 'udp' && tcpOver1300 && { largeByTcp: true }),
  });

export const targetName = (t: Target): string => `${t.address}:${t.port} ${t.transport}`;
