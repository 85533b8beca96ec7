import type { RawData, WebSocket } from 'ws';
import type { Clock } from '../../src/contract.ts';
import { plain, type TcpConnection, type TcpHandlers } from '../../src/io/tcp.ts';
import { FramedReader, writeFramed } from './framing.ts';
import { HELLO_LIMIT } from './hello.ts';

/**
 * What carries whole packets in order: a TLS connection (two bytes of length before each, RFC 4571), or a WebSocket (a
 * binary message each). HELLO and its answer, in JSON, go the same way: a `{` is no first byte of a packet.
 */
export interface Pipe {
  /** Of a route: unique in this process. */
  readonly id: string;
  /** Of the peer, numeric; '' when unknown. */
  readonly address: string;
  /** Sends a copy of the first `length` bytes; false: too much is waiting, and nothing was sent. */
  send(bytes: Uint8Array, length: number): boolean;
  sendJson(message: object): void;
  /** What was sent still goes out. Idempotent. */
  end(): void;
  /** Idempotent. */
  destroy(): void;
}

export interface PipeHandlers {
  /** Bytes are borrowed. */
  packet(bytes: Buffer): void;
  json(message: unknown): void;
  junk(reason: string): void;
  /** Exactly once, last. */
  closed(): void;
}

/** Packets beyond this are late anyway: about a second of everything. */
const MAX_WAITING_BYTES = 256 * 1024;
const BRACE = 0x7b;
/** A peer that does not answer the WebSocket's close is cut off. */
const CLOSE_MS = 2000;

export const PIPE_LIMITS = { maxQueueBytes: 1024 * 1024, lingerMs: CLOSE_MS } as const;

let serial = 0;
const nextId = (): string => `stream-${++serial}`;

export function tlsPipe(tcp: TcpConnection, on: PipeHandlers): { pipe: Pipe; handlers: TcpHandlers } {
  const pipe: Pipe = {
    id: nextId(),
    address: tcp.address,
    send(bytes, length) {
      if (tcp.queuedBytes > MAX_WAITING_BYTES) return false;
      tcp.write(writeFramed(bytes, length));
      return true;
    },
    sendJson(message) {
      const text = Buffer.from(JSON.stringify(message));
      tcp.write(writeFramed(text, text.length));
    },
    end: () => tcp.end(),
    destroy: () => tcp.destroy(),
  };
  const reader = new FramedReader(HELLO_LIMIT, bytes => framed(bytes, on));
  const data = (bytes: Buffer): void => {
    if (!reader.push(bytes)) on.junk('frame-too-large');
  };
  return { pipe, handlers: { data, closed: () => on.closed() } };
}

export function webSocketPipe(socket: WebSocket, address: string, clock: Clock, on: PipeHandlers): Pipe {
  socket.on('message', (data: RawData, isBinary: boolean) => {
    const bytes = data as Buffer;
    if (isBinary) on.packet(bytes);
    else parsed(bytes, on);
  });
  socket.on('error', () => on.junk('websocket-error'));
  socket.once('close', () => on.closed());
  return {
    id: nextId(),
    address: plain(address),
    send(bytes, length) {
      if (socket.readyState !== socket.OPEN || socket.bufferedAmount > MAX_WAITING_BYTES) return false;
      socket.send(Uint8Array.prototype.slice.call(bytes, 0, length), { binary: true });
      return true;
    },
    sendJson: message => socket.send(JSON.stringify(message), () => {}),
    end() {
      socket.close(1000);
      if (socket.readyState === socket.CLOSED) return;
      const undo = clock.at(clock.now() + CLOSE_MS, () => socket.terminate());
      socket.once('close', undo);
    },
    destroy: () => socket.terminate(),
  };
}

function framed(bytes: Buffer, on: PipeHandlers): void {
  if (bytes[0] === BRACE) parsed(bytes, on);
  else on.packet(bytes);
}

function parsed(bytes: Buffer, on: PipeHandlers): void {
  let message: unknown;
  try {
    message = JSON.parse(bytes.toString('utf8'));
  } catch {
    return on.junk('not-json');
  }
  on.json(message);
}
