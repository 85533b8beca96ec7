/** Milliseconds on a monotonic clock. Cores are handed time; they never read it. */
export type Millis = number & { readonly __unit?: 'ms' };

/** The deadline of a core that waits for nothing. */
export const NEVER: Millis = Number.POSITIVE_INFINITY;

/** Fed to a core when its deadline has come. */
export interface Tick {
  readonly type: 'tick';
}

/**
 * A sans-I/O state machine: typed inputs and time go in, decisions come out.
 *
 * Rule: one `handle`, then `poll` until it returns undefined, then the next `handle`.
 * A core owns no socket, timer, clock or randomness, and does not throw on wire data.
 */
export interface Core<In, Out> {
  handle(input: In | Tick, now: Millis): void;
  poll(): Out | undefined;
  /** When to call `handle({ type: 'tick' })` next; NEVER when nothing is pending. */
  readonly deadline: Millis;
}

/** One stage of a media chain: bound once, then plain calls. Borrows `item` for the length of the call. */
export type Sink<T> = (item: T, now: Millis) => void;
