import type { Agent, LegEvent, LegRequest, Seat, Termination } from '../contract.ts';

export const HUNG_UP: Termination = { blame: 'none', reason: 'hung-up' };

/** An agent that holds ports: one a leg, from `take` to `closed`. */
export class PortAgent implements Agent {
  readonly formats = ['PCMU'];
  readonly capacity: number;
  /** Ports in use, by leg. */
  readonly ports = new Map<string, (e: LegEvent) => void>();
  /** Legs that were taken twice, or gave a port back twice. */
  readonly faults: string[] = [];
  /** Told of a leg before its front is. */
  taken = (): void => {};
  start = async () => [];
  constructor(capacity: number) {
    this.capacity = capacity;
  }
  close = async () => {};
  take: Agent['take'] = async (request: LegRequest, seat: Seat, emit) => {
    const { leg } = request;
    if (this.ports.has(leg)) this.faults.push(`${leg} taken twice`);
    this.ports.set(leg, emit);
    seat.confirmed();
    this.taken();
    return {
      handle: command => {
        if (command.type !== 'close') return;
        if (!this.ports.delete(leg)) this.faults.push(`${leg} closed twice`);
        else emit({ type: 'closed', why: command.why });
      },
      stats: () => [],
    };
  };
  /** The phone is gone: the leg ends by itself. */
  drop(leg: string): void {
    const emit = this.ports.get(leg);
    this.ports.delete(leg);
    emit?.({ type: 'closed', why: HUNG_UP });
  }
}
