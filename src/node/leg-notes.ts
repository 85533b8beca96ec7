import type { Bus } from '../bus/port.ts';
import type { LegRequest, Log, Termination } from '../contract.ts';
import { terminationOf } from '../kit/refusal.ts';
import type { Ladders } from './ladders.ts';

export interface LegNotesOptions {
  readonly bus: Pick<Bus, 'events'>;
  readonly log: Log;
  readonly ladders: Pick<Ladders, 'add'>;
  readonly metrics: LegMetrics;
}

/** What is counted of legs. */
interface LegMetrics {
  legOpened(gateway: string, setupMs: number): void;
  legClosed(gateway: string, why: Termination): void;
}

/** A leg as it is written down. */
export interface Noted {
  readonly request: LegRequest;
  /** Absent: it has not been placed. */
  readonly agent?: string | undefined;
  readonly participant?: string | undefined;
}

/** Every leg a front asked for has one `refused`, or one `opened` and one `closed`: in the log, its ladder, metrics and events. */
export class LegNotes {
  readonly #o: LegNotesOptions;

  constructor(options: LegNotesOptions) {
    this.#o = options;
  }

  /** What the error says of the leg that was to be placed. */
  refused(request: LegRequest, error: unknown): Termination {
    const why = terminationOf(error);
    const { leg, trace, gateway, room } = request;
    const { log, metrics } = this.#o;
    if (why.reason === 'internal-error') log.error({ leg, err: error }, 'bug while placing a leg');
    log.info({ leg, trace, gateway, room, user: request.who.user, ...why }, 'refused');
    this.#step(leg, `refused: ${why.text ?? why.reason}`);
    metrics.legClosed(gateway, why);
    return why;
  }

  opened(noted: Noted, setupMs: number): void {
    const { request, agent, participant } = noted;
    const { leg, trace, gateway, room } = request;
    this.#o.log.info({ leg, trace, gateway, room, participant, agent }, 'opened');
    this.#o.metrics.legOpened(gateway, setupMs);
    this.#o.bus.events.publish({ type: 'leg.opened', ...factsOf(noted) });
  }

  closed(noted: Noted, why: Termination): void {
    const { leg, trace, gateway, room } = noted.request;
    this.#o.log.info({ leg, trace, gateway, room, ...why }, 'closed');
    this.#o.metrics.legClosed(gateway, why);
    if (noted.participant !== undefined)
      this.#o.bus.events.publish({ type: 'leg.closed', ...factsOf(noted), why });
    this.#step(leg, `closed: ${why.text ?? why.reason}`);
  }

  #step(leg: string, summary: string): void {
    this.#o.ladders.add(leg, { at: Date.now(), dir: 'note', transport: 'roombridge', summary });
  }
}

const factsOf = ({ request, agent, participant }: Noted) => ({
  leg: request.leg,
  gateway: request.gateway,
  room: request.room,
  ...(agent !== undefined && { agent }),
  ...(participant !== undefined && { participant }),
});
