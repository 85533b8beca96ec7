import type { Host } from '../../src/contract.ts';
import type { NativeLeg } from './leg.ts';
import { type Alternate, MAX_ALTERNATES, readAlternates } from './protocol.ts';

const LOOK_MS = 1000;

/**
 * The other agents that members are told of. An agent that has just come is one, and in a second every member knows it.
 * That another one is gladder now is no news: an order that changes with every call is not told a thousand members.
 */
export class Alternates {
  readonly #host: Pick<Host, 'clock' | 'siblings'>;
  readonly #legs: () => Iterable<Pick<NativeLeg, 'tellWays'>>;
  #told: readonly string[] = [];
  #disarm: () => void;

  /** `legs` are told when they should know others: this agent may be lost before they are told in any case. */
  constructor(host: Pick<Host, 'clock' | 'siblings'>, legs: () => Iterable<Pick<NativeLeg, 'tellWays'>>) {
    this.#host = host;
    this.#legs = legs;
    this.#told = this.#now().map(keyOf);
    this.#disarm = this.#arm();
  }

  stop(): void {
    this.#disarm();
  }

  #now(): Alternate[] {
    return readAlternates(this.#host.siblings());
  }

  #arm(): () => void {
    const { clock } = this.#host;
    return clock.at(clock.now() + LOOK_MS, () => {
      this.#disarm = this.#arm();
      this.#look();
    });
  }

  #look(): void {
    const all = new Set(this.#host.siblings().flatMap(reach => readAlternates([reach]).map(keyOf)));
    const left = this.#told.filter(key => all.has(key)).length;
    if (left >= Math.min(all.size, MAX_ALTERNATES)) return;
    this.#told = this.#now().map(keyOf);
    for (const leg of this.#legs()) leg.tellWays();
  }
}

const keyOf = ({ host, udpPort, tlsPort }: Alternate): string => `${host} ${udpPort} ${tlsPort}`;
