import type { Termination } from '../kit/refusal.ts';

/** What happens in the system and an operator may want to know. */
export const EVENT_TYPES = [
  'room.created',
  'room.ended',
  'participant.joined',
  'participant.left',
  'participant.away',
  'participant.back',
  'leg.opened',
  'leg.closed',
  'agent.up',
  'agent.down',
] as const;
export type EventType = (typeof EVENT_TYPES)[number];

export interface SystemEvent {
  readonly type: EventType;
  readonly room?: string;
  readonly participant?: string;
  readonly leg?: string;
  readonly gateway?: string;
  readonly agent?: string;
  /** Why it ended, left, went away. */
  readonly why?: Termination;
  /** What two processes may both tell has an id of its own: two of the same id within two minutes are one event. */
  readonly id?: string;
}

/** As it is kept and consumed: JSON on the subject `roombridge.events.<type>`. */
export interface KeptEvent extends SystemEvent {
  readonly id: string;
  /** Unix ms. */
  readonly at: number;
}

/** Facts of the past, kept for a day: told to whoever consumes them, at least once each, in order. */
export interface DurableEvents {
  /** Never throws and never waits; while the store is away a bounded number is kept, and what is dropped counted. */
  publish(event: SystemEvent): void;
  /**
   * Tells `on` of every event from now on, or, when a consumer of that name was here before, from where it stopped.
   * Consumers of one name share the events. Told the next when the promise resolves; one that rejects is told again
   * later, each time after a longer wait. `name` is one subject word.
   */
  consume(name: string, on: (event: KeptEvent) => Promise<void>): () => void;
}

/** While the store is away, and while a consumer cannot handle what it is told: so many, the oldest go first. */
export const MAX_WAITING = 10_000;

const FIRST_RETRY_MS = 1000;
const LONGEST_RETRY_MS = 300_000;
/** How long to wait before an event is told again that was told `told` times. */
export const retryAfterMs = (told: number): number =>
  Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(20, Math.max(0, told - 1)));
