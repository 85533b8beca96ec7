import type { Json, Leg, LegCommand, LegRequest, Role, Seat, StreamStats, Termination } from '../contract.ts';
import type { SeatedOrWaiting } from './lobby.ts';

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
  readonly request: LegRequest;
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
  /** Undoes the bound on its closing. */
  disarm: () => void;
}

/** One that is being taken. */
export const beingTaken = (agent: string, request: LegRequest, owner: string): Held => ({
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
  disarm: () => {},
});

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

/** A leg that its owner does not know any more: word of its end was lost. */
export const UNOWNED: Termination = {
  blame: 'none',
  reason: 'ended-unheard',
  text: 'The leg was ended while the processes could not hear each other.',
};
