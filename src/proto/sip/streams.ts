import type { Millis } from '../../kit/core.ts';
import type { Flow } from './flow.ts';
import { SipSplitter } from './stream.ts';
import { T1_64, type Timer, type TimerOwner, type Timers } from './timers.ts';

/** One connection: its splitter, and a timer while a message is only half there. */
class Stream implements TimerOwner {
  readonly splitter = new SipSplitter();
  slow: Timer | undefined;
  /** We hang up: what still comes is not heard. */
  ending = false;
  tooSlow: ((reason: string) => void) | undefined;
  timer(): void {
    this.slow = undefined;
    this.tooSlow?.('message not finished in time');
  }
}

/** The connections the endpoint knows of. How many there may be is the business of whoever accepts them. */
export class Streams {
  readonly #timers: Timers;
  readonly #byFlow = new Map<string, Stream>();
  constructor(timers: Timers) {
    this.#timers = timers;
  }

  lives(flow: Flow): boolean {
    return this.#byFlow.get(flow.id)?.ending === false;
  }

  /** Something goes out on it: if it is not open, this opens it. */
  used(flow: Flow): void {
    if (flow.transport !== 'udp' && !this.#byFlow.has(flow.id)) this.#byFlow.set(flow.id, new Stream());
  }

  /** A double CRLF went out on it. */
  pinged(flow: Flow): void {
    this.#byFlow.get(flow.id)?.splitter.pinged();
  }

  /** Undefined once it is being hung up. */
  push(flow: Flow, bytes: Buffer, tooSlow: (reason: string) => void): SipSplitter | undefined {
    let stream = this.#byFlow.get(flow.id);
    if (stream === undefined) this.#byFlow.set(flow.id, (stream = new Stream()));
    if (stream.ending) return undefined;
    stream.tooSlow = tooSlow;
    stream.splitter.push(bytes);
    return stream.splitter;
  }

  /** Everything whole was taken. What is left over has its time from when it was first left over. */
  settled(flow: Flow, took: boolean, now: Millis): void {
    const stream = this.#byFlow.get(flow.id);
    if (stream === undefined) return;
    if (took || !stream.splitter.partial) {
      this.#timers.stop(stream.slow);
      stream.slow = undefined;
    }
    if (stream.splitter.partial) stream.slow ??= this.#timers.start(stream, 'slow', now + T1_64);
  }

  end(flow: Flow): void {
    const stream = this.#byFlow.get(flow.id);
    if (stream !== undefined) stream.ending = true;
  }

  closed(flow: Flow): void {
    this.#timers.stop(this.#byFlow.get(flow.id)?.slow);
    this.#byFlow.delete(flow.id);
  }
}
