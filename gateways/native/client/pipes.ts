import { connect, type TLSSocket } from 'node:tls';
import { WebSocket } from 'ws';
import type { Clock } from '../../../src/contract.ts';
import { attach, plain, type TcpHandlers, wrap } from '../../../src/io/tcp.ts';
import { refuse } from '../../../src/kit/refusal.ts';
import { PIPE_LIMITS, type Pipe, type PipeHandlers, tlsPipe, webSocketPipe } from '../pipe.ts';
import { authority } from './target.ts';
import { certificateFault, checkPinned, connectFault, type Trust, tlsOptions } from './trust.ts';

/** Another end of a stream, and what is known of it. */
export interface Opened {
  readonly pipe: Pipe;
  /** Why the certificate proves nothing; undefined: it proves the name, or is the pinned one. */
  readonly taken: string | undefined;
}

export interface PipeOptions extends Trust {
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** How long a server may take to shake hands. */
const CONNECT_MS = 5000;

/** TLS 1.3; `name`: to be proved by the certificate, where that is not the host itself. Rejects with a Refusal. */
export function openTls(
  o: PipeOptions & { readonly host: string; readonly port: number; readonly name?: string },
  on: PipeHandlers,
): Promise<Opened> {
  const where = authority(o.host, o.port);
  return new Promise((done, fail) => {
    const socket: TLSSocket = connect({ host: o.host, port: o.port, ...tlsOptions(o, o.name ?? o.host) });
    const disarm = limited(o, where, error => socket.destroy(error));
    socket.setNoDelay(true);
    const failed = (error: Error): void => {
      disarm();
      socket.destroy();
      fail(connectFault(error, where));
    };
    socket.once('error', failed);
    socket.once('secureConnect', () => {
      disarm();
      socket.off('error', failed);
      try {
        checkPinned(socket, o, where);
      } catch (error) {
        socket.on('error', () => {});
        socket.destroy();
        return fail(error as Error);
      }
      let made: { pipe: Pipe; handlers: TcpHandlers } | undefined;
      attach(socket, {
        data: bytes => made?.handlers.data(bytes),
        closed: error => made?.handlers.closed(error),
      });
      made = tlsPipe(wrap(socket, PIPE_LIMITS, o.clock), on);
      done({ pipe: made.pipe, taken: takenFor(socket, o) });
    });
  });
}

/** `url`: `wss://host:8443/artp`. Rejects with a Refusal. */
export function openWebSocket(o: PipeOptions & { url: string }, on: PipeHandlers): Promise<Opened> {
  const { hostname } = new URL(o.url);
  return new Promise((done, fail) => {
    // The web server may speak 1.2 only, or be a proxy.
    const { minVersion: _any, checkServerIdentity: _own, ...tls } = tlsOptions(o, hostname);
    const socket = new WebSocket(o.url, { ...tls, perMessageDeflate: false });
    let secure: TLSSocket | undefined;
    const disarm = limited(o, o.url, () => socket.terminate());
    socket.once('upgrade', response => void (secure = response.socket as TLSSocket));
    const failed = (error: Error): void => {
      disarm();
      fail(connectFault(error, o.url));
    };
    socket.once('error', failed);
    socket.once('close', () => failed(new Error('the connection was closed')));
    socket.once('open', () => {
      disarm();
      socket.removeAllListeners('close');
      socket.off('error', failed);
      try {
        if (secure?.encrypted) checkPinned(secure, o, o.url);
      } catch (error) {
        socket.on('error', () => {});
        socket.terminate();
        return fail(error as Error);
      }
      const pipe = webSocketPipe(socket, plain(secure?.remoteAddress), o.clock, on);
      done({ pipe, taken: secure && takenFor(secure, o) });
    });
  });
}

function takenFor({ authorized, authorizationError }: TLSSocket, trust: Trust): string | undefined {
  if (authorized || trust.fingerprint !== undefined) return undefined;
  const code = String(authorizationError ?? '');
  return code === '' ? undefined : (certificateFault(code) ?? code);
}

/** Ends what is being opened after a while, or when nobody wants it any more. Returns its own undoing. */
function limited({ clock, signal }: PipeOptions, where: string, end: (why: Error) => void): () => void {
  const late = (): void => end(new Error(`${where} did not answer in ${CONNECT_MS / 1000} s`));
  const undo = clock.at(clock.now() + CONNECT_MS, late);
  const abort = (): void => end(refuse('none', 'cancelled', 'It is not wanted any more.'));
  signal.addEventListener('abort', abort);
  if (signal.aborted) abort();
  return () => {
    undo();
    signal.removeEventListener('abort', abort);
  };
}
