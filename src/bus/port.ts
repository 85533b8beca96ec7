import type { Clock, Json } from '../contract.ts';
import type { DurableEvents } from './events.ts';
import type { KeyValue } from './kv.ts';

/**
 * How processes ask and tell each other things: plain JSON, at most once, no history. Two implementations behave
 * alike (`port.test.ts` runs over both): within one process, and NATS.
 *
 * Subjects are words joined by dots: `room.1000.join`. A word made from anything a stranger chose goes through
 * `subjectWord`. In patterns `*` stands for one word and a final `>` for one or more.
 */
export interface Bus {
  /**
   * Resolves with the answer of one server. Rejects with the Refusal its handler threw, or with one of ours:
   * `no-responder`, `timeout`, `too-large`, `busy` (too many requests in flight), `bus-down`, `bus-closed`.
   */
  request(subject: string, data: Json, options: { readonly timeoutMs: number }): Promise<Json>;
  /**
   * Answers requests. Several servers of one subject share its requests, each going to one of them.
   * Anything but a Refusal thrown by `handler` is a bug: the asker is told `internal-error`, `onBug` the rest.
   */
  serve(subject: string, handler: (data: Json) => Promise<Json> | Json): Unserve;
  /** Throws the Refusal `too-large`; on a bus that is down or closed the message is dropped. */
  publish(subject: string, data: Json): void;
  /** Every subscriber gets every message, in the order of its publisher. */
  subscribe(pattern: string, on: (data: Json, subject: string) => void): Unsubscribe;
  /** What the processes must agree on. */
  readonly kv: KeyValue;
  /** What happened, kept for whoever asks later. */
  readonly events: DurableEvents;
  /**
   * Told at once how the bus is, then of every change. A server that comes back may have lost its store: at `up` whoever
   * owns a key of `kv` looks, and writes it again. `up` is told a second time when the store came later than the server.
   */
  onState(on: (state: BusState) => void): Unsubscribe;
  /** Lets running handlers answer (two seconds at most), then stops. Requests still waiting are refused `bus-closed`. Idempotent. */
  close(): Promise<void>;
}

export type BusState = 'up' | 'down';
export type Unserve = () => void;
export type Unsubscribe = () => void;

export interface BusOptions {
  readonly clock: Clock;
  /** A handler or subscriber threw something that is not a Refusal. */
  readonly onBug: (error: unknown, subject: string) => void;
  /** Junk that came (`not-json`) and what was dropped (`publish-while-down`). */
  readonly count: (reason: string) => void;
  readonly limits?: Partial<BusLimits>;
}

export interface BusLimits {
  /** Requests of ours waiting for an answer. */
  readonly pendingRequests: number;
  /** Handlers of ours running at once. */
  readonly runningHandlers: number;
  /** One message as JSON text, bytes. */
  readonly payloadBytes: number;
  /** How long `close` waits for running handlers. */
  readonly closeWaitMs: number;
}

export const BUS_LIMITS: BusLimits = {
  pendingRequests: 4096,
  runningHandlers: 4096,
  payloadBytes: 512 * 1024,
  closeWaitMs: 2000,
};
