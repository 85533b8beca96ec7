import type { Duplex } from 'node:stream';
import type { Clock } from '../contract.ts';
import { FrameReader, PING, writeFrame } from '../proto/artp/frames.ts';
import { HELLO_LIMIT } from '../proto/artp/hello.ts';
import { MESSAGE_LIMIT } from './messages.ts';

/** A ping each way, and how many intervals without a byte make a peer dead. */
export const PING_EVERY_MS = 1000;
const SILENT_TICKS = 3;
/** More than this waiting to be sent: the peer does not read. */
const QUEUE_LIMIT = 8 * 1024 * 1024;

export interface StreamHandlers {
  message(message: unknown): void;
  /** Once a second while the stream stands. */
  tick(): void;
  /** Exactly once, last; `why` in words. */
  closed(why: string): void;
}

/** Messages and pings over one TLS connection. Whatever goes wrong closes it; nothing throws. */
export class ControlStream {
  readonly #socket: Duplex;
  readonly #clock: Clock;
  readonly #handlers: StreamHandlers;
  readonly #reader: FrameReader;
  #why: string | undefined;
  #silent = 0;
  #disarm: () => void;

  /** Until `open`, only messages of HELLO's length are read and the other side may be silent for `helloMs`. */
  constructor(socket: Duplex, clock: Clock, helloMs: number, handlers: StreamHandlers) {
    this.#socket = socket;
    this.#clock = clock;
    this.#handlers = handlers;
    this.#reader = new FrameReader(HELLO_LIMIT, m => {
      if (this.#why === undefined) handlers.message(m);
    });
    this.#disarm = clock.at(clock.now() + helloMs, () => this.close(`no HELLO within ${helloMs} ms`));
    socket.on('data', (bytes: Buffer) => this.#read(bytes));
    socket.on('error', error => this.close(error.message));
    socket.on('end', () => this.close('the other side closed the connection'));
    socket.on('close', () => this.close('the connection was closed'));
  }

  /** After HELLO: whole messages, and pings both ways. */
  open(): void {
    this.#reader.limitBytes = MESSAGE_LIMIT;
    this.#disarm();
    this.#arm();
  }

  /** Ignored once closed. */
  send(message: object): void {
    if (this.#why !== undefined) return;
    const frame = writeFrame(message, MESSAGE_LIMIT);
    if (frame === undefined) return this.close(`a message was over ${MESSAGE_LIMIT} bytes`);
    this.#socket.write(frame);
    if (this.#socket.writableLength > QUEUE_LIMIT) this.close('the other side does not read its control stream');
  }

  /** What was sent before still goes out. Idempotent. */
  close(why: string): void {
    if (this.#why !== undefined) return;
    this.#why = why;
    this.#disarm();
    this.#socket.end();
    // A peer that never answers our end must not keep the socket.
    const undo = this.#clock.at(this.#clock.now() + PING_EVERY_MS, () => this.#socket.destroy());
    this.#socket.once('close', undo);
    if (this.#socket.destroyed) undo();
    this.#handlers.closed(why);
  }

  #read(bytes: Buffer): void {
    this.#silent = 0;
    if (this.#why !== undefined) return;
    const junk = this.#reader.push(bytes);
    if (junk !== undefined) this.close(`the control stream carries junk: ${junk}`);
  }

  #arm(): void {
    this.#disarm = this.#clock.at(this.#clock.now() + PING_EVERY_MS, () => {
      // Counted in ticks, not in time: a process that was itself asleep must not call its peers dead.
      if (this.#silent++ >= SILENT_TICKS) return this.close(`nothing was heard for ${SILENT_TICKS} s`);
      this.#socket.write(PING);
      this.#arm();
      this.#handlers.tick();
    });
  }
}
