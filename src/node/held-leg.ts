import type { Json, Leg, LegCommand, LegRequest, Role, Seat, StreamStats, Termination } from '../contract.ts';
import type { NumberedRequest } from '../room/port.ts';
import type { SeatedOrWaiting } from './lobby.ts';

/** What the front's process asks an agent. */
export interface TakeAsk {
  readonly request: LegRequest;
  /** The process to send the leg's events to. */
  readonly owner: string;
  /** See `JoinAsk`. Absent: the front is of an older version, and does not count. */
  readonly attempt?: number;
}

/** A leg as the API tells it. */
export interface LegRecord {
  readonly leg: string;
  readonly trace: string;
  readonly gateway: string;
  readonly agent: string;
  readonly room: string;
  readonly participant: string;
  readonly direction: 'in' | 'out';
  readonly roles: readonly Role[];
  /** Unix ms. */
  readonly since: number;
  readonly streams: readonly StreamStats[];
}

/** A leg as its agent's desk holds it. */
export interface Held {
  readonly request: NumberedRequest;
  readonly owner: string;
  readonly agent: string;
  readonly since: number;
  seat: Seat | undefined;
  /** While it is asked for a PIN: who listens to its keys. */
  hear: SeatedOrWaiting['hear'];
  leg: Leg | undefined;
  will: Json;
  /** Commands that came before the leg was bound. */
  early: LegCommand[];
  closing: Termination | undefined;
  /** Its peer goes on elsewhere when this process ends: its seat waits for it. */
  keeps: boolean;
  /** Undoes the bound on its closing. */
  disarm: () => void;
}

/** One that is being taken. */
export const beingTaken = (agent: string, request: NumberedRequest, owner: string): Held => ({
  request,
  owner,
  agent,
  since: Date.now(),
  seat: undefined,
  hear: undefined,
  will: null,
  leg: undefined,
  early: [],
  closing: undefined,
  keeps: false,
  disarm: () => {},
});

/** What is said of a leg is said of another placement of it. False where one of the two processes does not count. */
export const isAnother = (mine: number | undefined, theirs: number | null | undefined): boolean =>
  typeof mine === 'number' && typeof theirs === 'number' && mine !== theirs;

export const recordOf = ({ request, agent, seat, leg, since }: Held): LegRecord => ({
  leg: request.leg,
  trace: request.trace,
  gateway: request.gateway,
  agent,
  room: request.room,
  participant: seat?.participant ?? '',
  direction: request.direction,
  roles: request.roles,
  since,
  streams: leg?.stats() ?? [],
});

export const FRONT_LOST: Termination = {
  blame: 'server',
  reason: 'front-lost',
  text: 'The signalling process of this leg has gone; call again.',
};

export const OUT_OF_SERVICE: Termination = {
  blame: 'server',
  reason: 'out-of-service',
  text: 'The media process of this leg is taken out of service; call again.',
};

/** Of a leg that goes on with another agent, and has not yet: as if this one had died, but at once. */
export const AGENT_LEFT: Termination = {
  blame: 'server',
  reason: 'agent-lost',
  text: 'The media process of this leg has been ended; call again.',
};

/** A leg that its owner does not know any more: word of its end was lost, or another agent has it. */
export const UNOWNED: Termination = {
  blame: 'none',
  reason: 'ended-unheard',
  text: 'The leg was ended while the processes could not hear each other.',
};
