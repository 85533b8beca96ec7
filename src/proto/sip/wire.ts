import type { Millis } from '../../kit/core.ts';
import type { SipOutput } from './events.ts';
import type { Flow } from './flow.ts';
import { isBlank, KeepAlives, PING, PONG, stunAnswer } from './keep-alive.ts';
import { Streams } from './streams.ts';
import type { Timers } from './timers.ts';

interface Outside {
  readonly timers: Timers;
  readonly now: Millis;
  readonly config: { readonly random: (bytes: number) => Buffer };
  emit(out: SipOutput): void;
  send(flow: Flow, bytes: Buffer, call: string | undefined): void;
}

/** What lies below messages: how streams are cut into them, what is a keep-alive and no message, which connections live. */
export class Wire {
  readonly #outside: Outside;
  readonly #message: (bytes: Buffer, flow: Flow) => void;
  readonly #streams: Streams;
  readonly #keepAlives: KeepAlives;

  constructor(outside: Outside, message: (bytes: Buffer, flow: Flow) => void) {
    this.#outside = outside;
    this.#message = message;
    this.#streams = new Streams(outside.timers);
    this.#keepAlives = new KeepAlives({
      timers: outside.timers,
      get now() {
        return outside.now;
      },
      random: outside.config.random,
      ping: flow => {
        outside.send(flow, PING, undefined);
        this.#streams.pinged(flow);
      },
      failed: flow => this.#hangUp(flow, 'no answer to a keep-alive', false),
    });
  }

  /** A connection that is open, or a datagram address. */
  lives(flow: Flow): boolean {
    return flow.transport === 'udp' || this.#streams.lives(flow);
  }

  /** Something goes out on it: if it is not open, this opens it. */
  used(flow: Flow): void {
    this.#streams.used(flow);
  }

  keepAlive(flow: Flow, everyMs: Millis | undefined): void {
    this.#keepAlives.keep(flow, everyMs);
  }

  closed(flow: Flow): void {
    this.#streams.closed(flow);
    this.#keepAlives.gone(flow);
  }

  /** A whole message: a datagram, or a WebSocket's frame. */
  datagram(flow: Flow, bytes: Buffer): void {
    if (flow.transport !== 'udp') {
      this.#streams.used(flow);
      // Not in RFC 7118, which has the frames of RFC 6455 for it; pages send it all the same, and wait for the answer.
      if (isBlank(bytes)) return this.#outside.send(flow, PONG, undefined);
    } else if ((bytes[0] as number) < 4) {
      // RFC 5626 §4.4.2, RFC 8489 §6: two zero bits are no letter, so it is STUN or junk.
      const answer = stunAnswer(bytes, flow);
      if (answer !== undefined) return this.#outside.send(flow, answer, undefined);
    }
    this.#message(bytes, flow);
  }

  chunk(flow: Flow, bytes: Buffer): void {
    this.#keepAlives.heard(flow);
    const stream = this.#streams.push(flow, bytes, reason => this.#hangUp(flow, reason));
    if (stream === undefined) return;
    let took = false;
    for (let m = stream.take(); m !== undefined; m = stream.take(), took = true)
      // RFC 5626 §4.4.1: a double CRLF is answered by a single one.
      if (m === 'ping') this.#outside.send(flow, PONG, undefined);
      else if (m === 'pong') this.#keepAlives.answered(flow);
      else this.#message(m, flow);
    this.#streams.settled(flow, took, this.#outside.now);
    if (stream.error !== undefined) this.#hangUp(flow, stream.error);
  }

  #hangUp(flow: Flow, reason: string, malformed = true): void {
    this.#outside.emit({ type: 'dropped', reason, flow, malformed });
    this.#streams.end(flow);
    this.#outside.emit({ type: 'close-flow', flow, reason });
  }
}
