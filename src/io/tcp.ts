import { createServer, connect as netConnect, type Server, type Socket } from 'node:net';
import type { Clock } from '../contract.ts';
import { type Refusal, refuse } from '../kit/refusal.ts';

export interface TcpLimits {
  /** More than this waiting to be sent: the peer does not read, and the connection is destroyed. Bytes. */
  readonly maxQueueBytes: number;
  /** After `end`, how long the peer may take to read what is left and close. */
  readonly lingerMs: number;
}

export interface TcpHandlers {
  /** Bytes are the handler's to keep. */
  data(bytes: Buffer): void;
  /** Exactly once, last. `error` in words when it did not end politely. */
  closed(error?: string): void;
}

/** One connection with Nagle off, keepalive on, and a bounded write queue. */
export interface TcpConnection {
  /** Numeric, IPv4-mapped IPv6 shown as IPv4. */
  readonly address: string;
  readonly port: number;
  /** Accepted by us, not yet by the network. */
  readonly queuedBytes: number;
  write(bytes: Uint8Array): void;
  /** Stops reading: the peer is held back by TCP. */
  pause(on: boolean): void;
  /** Sends what is queued, then closes. Idempotent. */
  end(): void;
  /** Closes at once. Idempotent. */
  destroy(): void;
}

export interface TcpListener {
  readonly port: number;
  readonly connections: number;
  /** Takes no more connections; those that stand are their owners'. Resolves when all of them are closed. */
  close(): Promise<void>;
}

export interface ListenOptions extends TcpLimits {
  readonly address: string;
  /** 0: any free one. */
  readonly port: number;
  readonly maxConnections: number;
  readonly maxPerAddress: number;
  /** `::` leaves IPv4 to another socket. */
  readonly ipv6Only?: boolean;
  /** For messages: `rtmp.port`. */
  readonly setting: string;
}

const KEEPALIVE_MS = 15_000;
/** A host that says nothing to us for so long is not there. */
const CONNECT_MS = 5000;
export const SOCKET_OPTIONS = { noDelay: true, keepAlive: true, keepAliveInitialDelay: KEEPALIVE_MS };

export const plain = (address: string | undefined): string =>
  (address ?? '').replace(/^::ffff:(?=\d+\.)/, '');

/**
 * Listens. `accept` gets each connection that the limits allow; `refused` hears of the others, which are closed
 * unread. Rejects with a Refusal in words when the port cannot be had.
 */
export function listenTcp(
  options: ListenOptions,
  clock: Clock,
  accept: (connection: TcpConnection) => TcpHandlers,
  refused: (why: 'connections' | 'per-address') => void,
): Promise<TcpListener> {
  const places = new Places(options, refused);
  const server = createServer(SOCKET_OPTIONS, socket => {
    if (!places.take(socket)) return;
    const connection = wrap(socket, options, clock);
    attach(socket, accept(connection));
  });
  return listening(server, options, places);
}

/** How many connections there may be, and of one address. */
export class Places {
  readonly #limits: Pick<ListenOptions, 'maxConnections' | 'maxPerAddress'>;
  readonly #refused: (why: 'connections' | 'per-address') => void;
  readonly #byAddress = new Map<string, number>();
  open = 0;

  constructor(
    limits: Pick<ListenOptions, 'maxConnections' | 'maxPerAddress'>,
    refused: (why: 'connections' | 'per-address') => void,
  ) {
    this.#limits = limits;
    this.#refused = refused;
  }

  /** A place until the socket closes; false: there is none, and it is closed unread. */
  take(socket: Socket): boolean {
    const address = plain(socket.remoteAddress);
    const mine = this.#byAddress.get(address) ?? 0;
    const { maxConnections, maxPerAddress } = this.#limits;
    if (this.open >= maxConnections || mine >= maxPerAddress) {
      socket.on('error', () => {});
      socket.destroy();
      this.#refused(this.open >= maxConnections ? 'connections' : 'per-address');
      return false;
    }
    this.open++;
    this.#byAddress.set(address, mine + 1);
    socket.once('close', () => {
      this.open--;
      const left = (this.#byAddress.get(address) ?? 1) - 1;
      if (left > 0) this.#byAddress.set(address, left);
      else this.#byAddress.delete(address);
    });
    return true;
  }
}

/** Opens the port of a server that is put together. Rejects with a Refusal in words. */
export function listening(server: Server, options: ListenOptions, places: Places): Promise<TcpListener> {
  return new Promise((done, fail) => {
    server.once('error', error => fail(unavailable(error as NodeJS.ErrnoException, options)));
    const { address: host, port, ipv6Only = false } = options;
    server.listen({ host, port, ipv6Only }, () => {
      server.removeAllListeners('error');
      server.on('error', () => {}); // accept errors (EMFILE): the next connection is tried again
      const at = server.address();
      done({
        port: typeof at === 'object' && at !== null ? at.port : options.port,
        get connections() {
          return places.open;
        },
        close: () => closeServer(server),
      });
    });
  });
}

/** Opens a connection. Rejects with a Refusal in words, after `CONNECT_MS` at the latest. */
export function connectTcp(
  host: string,
  port: number,
  limits: TcpLimits,
  clock: Clock,
  handlers: TcpHandlers,
): Promise<TcpConnection> {
  const socket = netConnect({ host, port, ...SOCKET_OPTIONS });
  return connected(socket, 'connect', `No TCP connection to ${host} port ${port}`, limits, clock, handlers);
}

/** Waits for `event` of a socket that is being connected. `what` failed, when it does. */
export function connected(
  socket: Socket,
  event: 'connect' | 'secureConnect',
  what: string,
  limits: TcpLimits,
  clock: Clock,
  handlers: TcpHandlers,
): Promise<TcpConnection> {
  return new Promise((done, fail) => {
    const undo = clock.at(clock.now() + CONNECT_MS, () =>
      socket.destroy(new Error(`nothing came of it in ${CONNECT_MS} ms`)),
    );
    const failed = (error: Error): void => {
      undo();
      socket.destroy();
      fail(refuse('upstream', 'connect-failed', `${what}: ${error.message}.`));
    };
    socket.once('error', failed);
    socket.once(event, () => {
      undo();
      socket.off('error', failed);
      attach(socket, handlers);
      done(wrap(socket, limits, clock));
    });
  });
}

export function wrap(socket: Socket, limits: TcpLimits, clock: Clock): TcpConnection {
  let ending = false;
  return {
    address: plain(socket.remoteAddress),
    port: socket.remotePort ?? 0,
    get queuedBytes() {
      return socket.writableLength;
    },
    write(bytes) {
      if (ending || socket.destroyed) return;
      socket.write(bytes);
      if (socket.writableLength > limits.maxQueueBytes)
        socket.destroy(new Error(`the peer left more than ${limits.maxQueueBytes} bytes unread`));
    },
    pause(on) {
      if (on) socket.pause();
      else socket.resume();
    },
    end() {
      if (ending || socket.destroyed) return;
      ending = true;
      socket.resume(); // a paused socket would never see the peer's end
      socket.end();
      const cancel = clock.at(clock.now() + limits.lingerMs, () => socket.destroy());
      socket.once('close', cancel);
    },
    destroy: () => void socket.destroy(),
  };
}

export function attach(socket: Socket, handlers: TcpHandlers): void {
  let error: string | undefined;
  socket.on('data', bytes => handlers.data(bytes));
  socket.on('error', e => (error = e.message));
  socket.once('close', () => handlers.closed(error));
}

function unavailable(error: NodeJS.ErrnoException, { address, port, setting }: ListenOptions): Refusal {
  const where = `TCP port ${port} on ${address}`;
  const what =
    error.code === 'EADDRINUSE'
      ? `${where} is already in use: end the program that has it or set ${setting} to another port.`
      : error.code === 'EACCES'
        ? `${where} needs more rights than this process has: set ${setting} to a port above 1023.`
        : `${where} cannot be opened (${error.message}): check the address and ${setting}.`;
  return refuse('server', 'port-unavailable', what);
}

const closeServer = (server: Server): Promise<void> => new Promise(done => server.close(() => done()));
