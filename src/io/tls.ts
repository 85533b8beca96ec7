import type { Socket } from 'node:net';
import { connect, createServer, type PeerCertificate, type Server, type TLSSocket } from 'node:tls';
import type { Clock } from '../contract.ts';
import {
  attach,
  connected,
  type ListenOptions,
  listening,
  Places,
  plain,
  SOCKET_OPTIONS,
  type TcpConnection,
  type TcpHandlers,
  type TcpLimits,
  type TcpListener,
  wrap,
} from './tcp.ts';
import type { TlsKeys } from './tls-keys.ts';

/** From the first byte to the end of the handshake, however many bytes come meanwhile. */
export const HANDSHAKE_MS = 10_000;

export interface TlsListenOptions extends ListenOptions {
  readonly keys: TlsKeys;
  readonly clientCertificates: 'none' | 'request' | 'require';
  readonly handshakeMs?: number;
  /** Default: 1.2. */
  readonly minVersion?: 'TLSv1.2' | 'TLSv1.3';
}

/** What a TLS client shows, and what it asks of the server. */
export interface TlsClientOptions {
  readonly keys: TlsKeys;
  /** False: any certificate will do. */
  readonly verify: boolean;
  /** Why the certificate is not that of `name`; undefined: it is. */
  readonly checkName: (name: string, certificate: PeerCertificate) => Error | undefined;
}

/** As `listenTcp`, over TLS 1.2 or 1.3. `accept` gets the client's certificate too, if it showed a good one. */
export function listenTls(
  options: TlsListenOptions,
  clock: Clock,
  accept: (connection: TcpConnection, certificate: PeerCertificate | undefined) => TcpHandlers,
  refused: (why: 'connections' | 'per-address' | 'handshake' | 'certificate') => void,
): Promise<TcpListener> {
  const { keys, clientCertificates, minVersion = 'TLSv1.2' } = options;
  const places = new Places(options, refused);
  const server = createServer({
    ...SOCKET_OPTIONS,
    ...keys.material,
    minVersion,
    requestCert: clientCertificates !== 'none',
    rejectUnauthorized: clientCertificates === 'require',
    SNICallback: (name, done) => done(null, keys.contextFor(name)),
  });
  const forget = keys.onChange(() => server.setSecureContext({ ...keys.material, minVersion }));
  server.on('close', forget);
  server.on('connection', (raw: Socket) => void places.take(raw));
  limitHandshakes(server, options.handshakeMs ?? HANDSHAKE_MS);
  server.on('tlsClientError', () => refused('handshake'));
  server.on('secureConnection', (socket: TLSSocket) => {
    const shown = clientCertificates === 'none' ? undefined : socket.getPeerCertificate();
    const certificate = shown?.raw === undefined ? undefined : shown;
    if (certificate !== undefined && !socket.authorized) {
      socket.on('error', () => {});
      socket.destroy();
      return refused('certificate');
    }
    attach(socket, accept(wrap(socket, options, clock), certificate));
  });
  return listening(server, options, places);
}

/** As `connectTcp`, over TLS. `name`: what the certificate must be for, and what is asked for (SNI). */
export function connectTls(
  host: string,
  port: number,
  name: string,
  tls: TlsClientOptions,
  limits: TcpLimits,
  clock: Clock,
  handlers: TcpHandlers,
): Promise<TcpConnection> {
  const isName = /[a-z]/i.test(name) && !name.includes(':');
  const socket = connect({
    host,
    port,
    secureContext: tls.keys.clientContext,
    rejectUnauthorized: tls.verify,
    ...(isName && { servername: name }), // RFC 6066 §3: no addresses
    checkServerIdentity: (_, certificate) => tls.checkName(name, certificate),
  });
  socket.setNoDelay(true).setKeepAlive(true, SOCKET_OPTIONS.keepAliveInitialDelay);
  const what = `No TLS connection to ${host} port ${port}`;
  return connected(socket, 'secureConnect', what, limits, clock, handlers);
}

/** Ends connections whose handshake is not over `ms` after they came: Node's own limit starts anew with every byte. */
export function limitHandshakes(server: Server, ms: number): void {
  const shaking = new Map<string, NodeJS.Timeout>();
  const over = (key: string): void => {
    clearTimeout(shaking.get(key));
    shaking.delete(key);
  };
  server.on('connection', (raw: Socket) => {
    const key = keyOf(raw);
    over(key);
    shaking.set(
      key,
      setTimeout(() => raw.destroy(), ms),
    );
    raw.once('close', () => over(key));
  });
  server.on('secureConnection', (socket: TLSSocket) => over(keyOf(socket)));
}

const keyOf = (s: Socket): string => `${plain(s.remoteAddress)} ${s.remotePort}`;
