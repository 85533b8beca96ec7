/** What a gateway is: front, agent, legs. */

import type { ZodType } from 'zod';
import type { Termination } from '../kit/refusal.ts';
import type { Dialled, DialRequest, DialStep, Finding, TrunkState } from './dial.ts';
import type { Address, Clock, Host, TicketRequest } from './host.ts';
import type { Json } from './json.ts';
import type { LegCommand, LegDrill, LegEvent, LegRequest, StreamStats } from './legs.ts';
import type { Seat } from './seat.ts';

export const CONTRACT = 1;

/** The signalling side: turns wire events into leg requests. */
export interface Front {
  start(): Promise<readonly Address[]>;
  /** Calls someone into a room. Rejects with a Refusal when that is not allowed; whatever follows comes as steps. */
  dial?(ask: DialRequest, on: (step: DialStep) => void): Promise<Dialled>;
  trunks?(): readonly TrunkState[];
  /** Ends the signalling of a leg whose front vanished, from the `will` that one left. */
  execute?(will: Json, why: Termination): Promise<void>;
  /** No new legs from now on; live ones are ended politely (BYE …). Resolves when all are told. */
  close(why: Termination): Promise<void>;
}

/** A leg inside its agent. */
export interface Leg {
  handle(c: LegCommand): void;
  stats(): readonly StreamStats[];
  /** Impairs the leg's datagrams from now on; null: no more. Absent: its media cannot be impaired. `io/impaired.ts` helps. */
  drill?(d: LegDrill | null): void;
}

/** The media side. The authority on its own capacity: `take` may refuse by throwing a Refusal. */
export interface Agent {
  start(): Promise<readonly Address[]>;
  /** Codec names it handles, and how many legs it can bear. */
  readonly formats: readonly string[];
  readonly capacity: number;
  /** Where its members reach it, for them alone: told to the other agents of this gateway (`Host.siblings`). Absent: nowhere yet. */
  readonly reach?: Json | undefined;
  /**
   * Binds one leg to its seat. Everything that came with the leg must be released after it emits `closed`
   * (exactly once), which it also does after a `close` command. The answer to `begin` is a `description` with id 0,
   * emitted before or after `take` resolves.
   */
  take(request: LegRequest, seat: Seat, emit: (e: LegEvent) => void): Promise<Leg>;
  /** Ticket addresses, for agents that listen on their own (RTMP). */
  ticketUrl?(ask: TicketRequest, token: string): string;
  close(): Promise<void>;
}

/** The plug-in: a folder, one line in main.ts, and passing test/contract. */
export interface Gateway<C = unknown> {
  readonly contract: typeof CONTRACT;
  readonly name: string;
  /** Strict schema of this gateway's slice of the config, every key described. */
  readonly config: ZodType<C>;
  /** Where its agent runs: beside the other agents, or with the fronts because it needs their HTTP server (STOMP). */
  readonly home: 'agent' | 'front';
  front?(host: Host, config: C): Front;
  /** For `roombridge check`: asks what the config names whether it answers. */
  check?(config: C, clock: Clock): Promise<readonly Finding[]>;
  agent?(host: Host, config: C, id: string): Agent;
}

export const defineGateway = <C>(g: Gateway<C>): Gateway<C> => g;
