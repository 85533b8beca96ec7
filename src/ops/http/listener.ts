import http, { type IncomingMessage, type RequestListener } from 'node:http';
import https from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { HANDSHAKE_MS, limitHandshakes } from '../../io/tls.ts';
import { type Refusal, refuse } from '../../kit/refusal.ts';
import type { ServerCertificate } from './certificate.ts';
import { plainAddress } from './names.ts';
import { rawProblem } from './problem.ts';

export interface ListenerLimits {
  readonly connections: number;
  readonly connectionsPerAddress: number;
  readonly headersTimeoutMs: number;
  readonly requestTimeoutMs: number;
  readonly handshakeTimeoutMs?: number;
}

export const LISTENER_LIMITS: ListenerLimits = {
  connections: 10_000,
  connectionsPerAddress: 1024,
  headersTimeoutMs: 10_000,
  requestTimeoutMs: 30_000,
};

export interface ListenerOptions {
  readonly certificate?: ServerCertificate;
  readonly limits: ListenerLimits;
  readonly onRequest: RequestListener;
  readonly onUpgrade: (req: IncomingMessage, socket: Duplex, head: Buffer) => void;
  readonly count: (reason: string) => void;
}

/** One listening socket with every limit a stranger meets; TLS when it has a certificate. */
export class Listener {
  readonly #server: http.Server | https.Server;
  readonly #perAddress = new Map<string, number>();
  readonly #upgraded = new Set<Duplex>();
  readonly #limits: ListenerLimits;
  #closing: Promise<void> | undefined;

  constructor(options: ListenerOptions) {
    this.#limits = options.limits;
    const common = {
      headersTimeout: options.limits.headersTimeoutMs,
      requestTimeout: options.limits.requestTimeoutMs,
      connectionsCheckingInterval: Math.min(2000, options.limits.headersTimeoutMs),
      keepAliveTimeout: 10_000,
      maxHeaderSize: 16_384,
    };
    this.#server =
      options.certificate === undefined
        ? http.createServer(common, options.onRequest)
        : https.createServer(
            {
              ...common,
              cert: options.certificate.cert,
              key: options.certificate.key,
              minVersion: 'TLSv1.2',
            },
            options.onRequest,
          );
    if (this.#server instanceof https.Server)
      limitHandshakes(this.#server, options.limits.handshakeTimeoutMs ?? HANDSHAKE_MS);
    this.#server.maxConnections = options.limits.connections;
    this.#server.maxHeadersCount = 100;
    this.#guard(options);
  }

  #guard({ count, onUpgrade }: ListenerOptions): void {
    this.#server.on('connection', (socket: Socket) => this.#admit(socket, count));
    this.#server.on('tlsClientError', () => count('tls-handshake'));
    this.#server.on('drop', () => count('too-many-connections'));
    this.#server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
      count('bad-request');
      refuseRaw(socket as Socket, refusalOf(error));
    });
    this.#server.on('upgrade', (req: IncomingMessage, socket: Duplex, head: Buffer) => {
      socket.on('error', () => {}); // the peer may be gone before anyone takes the socket
      this.#upgraded.add(socket);
      socket.once('close', () => this.#upgraded.delete(socket));
      onUpgrade(req, socket, head);
    });
  }

  #admit(socket: Socket, count: (reason: string) => void): void {
    const address = plainAddress(socket.remoteAddress);
    const open = this.#perAddress.get(address) ?? 0;
    if (open >= this.#limits.connectionsPerAddress) {
      count('too-many-connections-per-address');
      socket.destroy();
      return;
    }
    this.#perAddress.set(address, open + 1);
    socket.once('close', () => {
      const left = (this.#perAddress.get(address) ?? 1) - 1;
      if (left > 0) this.#perAddress.set(address, left);
      else this.#perAddress.delete(address);
    });
  }

  /** Handshakes from now on get this one. */
  certificate({ cert, key }: ServerCertificate): void {
    if (this.#server instanceof https.Server)
      this.#server.setSecureContext({ cert, key, minVersion: 'TLSv1.2' });
  }

  /** The port it listens on. Throws a Refusal with what to do. `key` is the config key of the port. */
  listen(port: number, address: string | undefined, key: string): Promise<number> {
    return new Promise((done, fail) => {
      this.#server.once('error', error => fail(listenRefusal(error, port, 'tcp', key)));
      this.#server.listen({ port, ...(address !== undefined && { host: address }) }, () => {
        this.#server.removeAllListeners('error');
        this.#server.on('error', () => {}); // accept errors (EMFILE): the next connection is tried again
        done((this.#server.address() as AddressInfo).port);
      });
    });
  }

  /** Answers what is being asked, for `graceMs` at most, then ends every connection. Idempotent. */
  close(graceMs: number): Promise<void> {
    this.#closing ??= new Promise(done => {
      const force = setTimeout(() => {
        this.#server.closeAllConnections();
        for (const socket of this.#upgraded) socket.destroy();
      }, graceMs);
      this.#server.close(() => {
        clearTimeout(force);
        done();
      });
      this.#server.closeIdleConnections();
    });
    return this.#closing;
  }
}

/** Answers on a bare connection and ends it; a peer that does not read is cut off. */
export function refuseRaw(socket: Duplex, refusal: Refusal): void {
  if (!socket.writable) {
    socket.destroy();
    return;
  }
  socket.end(rawProblem(refusal.why));
  (socket as Socket).setTimeout?.(2000, () => socket.destroy());
}

function refusalOf(error: NodeJS.ErrnoException): Refusal {
  switch (error.code) {
    case 'HPE_HEADER_OVERFLOW':
      return refuse('client', 'headers-too-large', 'The request headers are larger than 16 KiB; send less.');
    case 'HPE_CHUNK_EXTENSIONS_OVERFLOW':
      return refuse('client', 'too-large', 'The chunk extensions are too large; send none.');
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return refuse('client', 'request-timeout', 'The request did not arrive in time; send it at once.');
    default:
      return refuse('client', 'bad-request', 'This is not an HTTP/1.1 request (RFC 9112).');
  }
}

/** Why a port could not be opened and what to do about it. */
export function listenRefusal(
  error: NodeJS.ErrnoException,
  port: number,
  protocol: 'tcp' | 'udp',
  key: string,
): Refusal {
  const name = `Port ${port}/${protocol} (${key})`;
  switch (error.code) {
    case 'EADDRINUSE':
      return refuse(
        'server',
        'port-in-use',
        `${name} is in use by another program, or Roombridge runs already: end it, or set ${key} to another port (0: any free one).`,
      );
    case 'EACCES':
      return refuse(
        'server',
        'port-denied',
        `${name} may not be opened by this user: set ${key} to a port above 1023, or grant CAP_NET_BIND_SERVICE.`,
      );
    case 'EADDRNOTAVAIL':
      return refuse(
        'server',
        'no-such-address',
        `${name} cannot be opened: the address to listen on is not one of this host; correct it, or leave it out.`,
      );
    default:
      return refuse('server', 'port-unusable', `${name} cannot be opened (${error.code ?? error.message}).`);
  }
}
