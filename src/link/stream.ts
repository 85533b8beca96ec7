import type { Duplex } from 'node:stream';
import type { Clock } from '../contract.ts';
import { refuse } from '../kit/refusal.ts';
import { FrameReader, PING, writeFrame } from '../proto/artp/frames.ts';
import { HELLO_LIMIT } from '../proto/artp/hello.ts';
import { MESSAGE_LIMIT } from './messages.ts';

/** A ping each way, and how many intervals without a byte make a peer dead. */
export const PING_EVERY_MS = 1000;
const SILENT_TICKS = 3;
/** How long the other side may take to say HELLO, or to answer it. */
export const HELLO_MS = 5000;
/** More than this waiting to be sent: the peer does not read. */
const QUEUE_LIMIT = 8 * 1024 * 1024;

export interface StreamHandlers {
  message(message: unknown): void;
  /** About once a second while the stream stands. */
  tick(): void;
}

/** Messages and pings over one TLS connection. Whatever goes wrong closes it; nothing throws. */
export class ControlStream {
  /** The first message. Rejects with the Refusal `link-lost` when the stream closes before. */
  readonly first: Promise<unknown>;
  /** Resolves with why, in words. Never rejects. */
  readonly closed: Promise<string>;
  readonly #socket: Duplex;
  readonly #clock: Clock;
  readonly #reader: FrameReader;
  #handlers: StreamHandlers | undefined;
  #gotFirst = false;
  #takeFirst: (message: unknown) => void = () => {};
  #settle: (why: string) => void = () => {};
  #why: string | undefined;
  #silent = 0;
  #disarm: () => void;

  /** Until `open`, one message of HELLO's length is read, and waited for no longer than HELLO_MS. */
  constructor(socket: Duplex, clock: Clock) {
    this.#socket = socket;
    this.#clock = clock;
    this.#reader = new FrameReader(HELLO_LIMIT, m => this.#message(m));
    this.closed = new Promise(resolve => void (this.#settle = resolve));
    this.first = new Promise((resolve, reject) => {
      this.#takeFirst = resolve;
      void this.closed.then(why => reject(refuse('server', 'link-lost', `The link was closed: ${why}.`)));
    });
    this.first.catch(() => {}); // for those who do not wait for it
    this.#disarm = clock.at(clock.now() + HELLO_MS, () => this.close(`no HELLO within ${HELLO_MS} ms`));
    socket.on('data', (bytes: Buffer) => this.#read(bytes));
    socket.on('error', error => this.close(error.message));
    socket.on('end', () => this.close('the other side closed the connection'));
    socket.on('close', () => this.close('the connection was closed'));
  }

  /** After HELLO: whole messages, and pings both ways. */
  open(handlers: StreamHandlers): void {
    if (this.#why !== undefined) return;
    this.#handlers = handlers;
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
    if (this.#socket.writableLength > QUEUE_LIMIT)
      this.close('the other side does not read its control stream');
  }

  /** What was sent before still goes out. Idempotent. */
  close(why: string): void {
    if (this.#why !== undefined) return;
    this.#why = why;
    this.#disarm();
    this.#settle(why);
    this.#socket.end();
    if (this.#socket.destroyed) return;
    // A peer that never answers our end must not keep the socket.
    const undo = this.#clock.at(this.#clock.now() + PING_EVERY_MS, () => this.#socket.destroy());
    this.#socket.once('close', undo);
  }

  #read(bytes: Buffer): void {
    this.#silent = 0;
    if (this.#why !== undefined) return;
    const junk = this.#reader.push(bytes);
    if (junk !== undefined) this.close(`the control stream carries junk (${junk})`);
  }

  #message(message: unknown): void {
    if (this.#why !== undefined) return;
    if (this.#handlers !== undefined) return this.#handlers.message(message);
    if (this.#gotFirst) return this.close('it spoke before its HELLO was answered');
    this.#gotFirst = true;
    this.#takeFirst(message);
  }

  #arm(): void {
    this.#disarm = this.#clock.at(this.#clock.now() + PING_EVERY_MS, () => {
      // Counted in ticks, not in time: a process that was itself asleep must not call its peers dead.
      if (this.#silent++ >= SILENT_TICKS) return this.close(`nothing was heard for ${SILENT_TICKS} s`);
      this.#socket.write(PING);
      this.#arm();
      this.#handlers?.tick();
    });
  }
}
