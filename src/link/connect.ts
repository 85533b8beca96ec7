import { isIPv6 } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import type { Clock, Termination } from '../contract.ts';
import { openUdp } from '../io/udp.ts';
import { refuse } from '../kit/refusal.ts';
import { readHelloAck, writeHello } from '../proto/artp/hello.ts';
import { CONNECTION_BYTES, isConnection, TrailerView } from '../proto/artp/trailer.ts';
import { ClientSession } from './client-session.ts';
import { peerFingerprint, plainFingerprint } from './fingerprint.ts';
import { MediaPath } from './media-path.ts';
import { readTell } from './messages.ts';
import { RoutedPath } from './routed.ts';
import { ControlStream, HELLO_MS } from './stream.ts';

export interface LinkClientOptions {
  /** Id of this process. */
  readonly process: string;
  /** Of the room node: name or IP, port of its control stream, SHA-256 of its certificate (hex, colons or not). */
  readonly host: string;
  readonly tlsPort: number;
  readonly fingerprint: string;
  /** Our own certificate, which the room node must know by its fingerprint. */
  readonly certPem: string;
  readonly keyPem: string;
  /** Which of the routers the room node offers to go by, by its process; absent: none. */
  readonly byRouter?: (process: string) => boolean;
  readonly clock: Clock;
  readonly random: (bytes: number) => Buffer;
  /** Junk and drops, by reason. */
  readonly count: (reason: string) => void;
  /** A seat, an egress or a sink has thrown. */
  readonly onBug: (error: unknown) => void;
}

export interface Connection {
  readonly session: ClientSession;
  /** Resolves with why, in words. */
  readonly closed: Promise<string>;
}

/** A link without datagrams is no link. */
const PATH_MS = 3000;
/** After so many ticks (seconds) without any path that answers the link carries no media any more, whatever the control stream says. */
const MAX_SILENT_TICKS = 10;

/**
 * TLS, fingerprint, HELLO, keys, and a datagram there and back: only a link that carries media is a link.
 * Rejects with a Refusal in words; nothing stays open then. `signal` ends it at any time, made or not.
 */
export async function connect(o: LinkClientOptions, signal: AbortSignal): Promise<Connection> {
  const tls = await secure(o, signal);
  const address = tls.remoteAddress ?? o.host;
  const stream = new ControlStream(tls, o.clock);
  const abort = (): void => stream.close('this process is closing');
  signal.addEventListener('abort', abort);
  void stream.closed.then(() => signal.removeEventListener('abort', abort));
  const connection = o.random(CONNECTION_BYTES);
  let path: MediaPath | undefined;
  let routed: RoutedPath | undefined;
  const receive = datagrams(
    o,
    connection,
    () => path,
    () => routed,
  );
  const udp = await openUdp({ family: isIPv6(address) ? 6 : 4, port: 0, clock: o.clock, on: receive }).catch(
    e => {
      stream.close('no UDP socket could be opened');
      throw refuse('server', 'no-port', `No UDP socket could be opened for a media link (${e.code}).`);
    },
  );
  void stream.closed.then(() => udp.close());
  try {
    stream.send(writeHello({ process: o.process, connection }));
    const ack = readHelloAck(await stream.first);
    const media = new MediaPath({
      ...o,
      socket: udp,
      secret: ack.secret,
      side: 'client',
      connection,
      theirConnection: ack.connection,
    });
    path = media;
    void stream.closed.then(() => media.close());
    const session = new ClientSession(media, ask => stream.send(ask), o.onBug);
    stream.open({
      message: m => {
        const tell = readTell(m);
        if (tell === undefined) stream.close('the room node sent a message this version does not know');
        else session.handle(tell);
      },
      tick() {
        media.tick();
        routed?.tick();
        if (media.silentTicks >= MAX_SILENT_TICKS) stream.close('its datagrams do not pass any more');
      },
    });
    void stream.closed.then(why => session.end(lost(why)));
    const routers = ack.routers.filter(r => o.byRouter?.(r.id) === true);
    if (routers.length > 0) {
      const send = (bytes: Buffer, to: string, port: number): void => udp.send(bytes, bytes.length, port, to);
      const by = new RoutedPath({
        ...o,
        path: media,
        routers,
        ours: connection,
        theirs: ack.connection,
        send,
      });
      routed = by;
      void stream.closed.then(() => by.close());
    }
    await pathFound(o, media, stream, address, ack.udpPort);
    return { session, closed: stream.closed };
  } catch (error) {
    stream.close('the link could not be made');
    throw error;
  }
}

/** Mutual TLS 1.3. Both certificates are self-signed: each side knows the other's fingerprint, not its issuer. */
function secure(o: LinkClientOptions, signal: AbortSignal): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const where = `${o.host} port ${o.tlsPort}`;
    const fail = (why: string): void => {
      undo();
      signal.removeEventListener('abort', abort);
      tls.destroy();
      reject(refuse('server', 'room-unreachable', `The room node at ${where} cannot be reached: ${why}.`));
    };
    const abort = (): void => fail('this process is closing');
    signal.addEventListener('abort', abort);
    const undo = o.clock.at(o.clock.now() + HELLO_MS, () => fail(`no answer within ${HELLO_MS} ms`));
    const tls = connectTls({
      host: o.host,
      port: o.tlsPort,
      cert: o.certPem,
      key: o.keyPem,
      minVersion: 'TLSv1.3',
      rejectUnauthorized: false, // the fingerprint decides, below
    });
    tls.on('error', error => fail(error.message));
    tls.once('secureConnect', () => {
      const shown = plainFingerprint(peerFingerprint(tls) ?? '');
      if (shown !== plainFingerprint(o.fingerprint))
        return fail('it shows another certificate than it advertised');
      undo();
      signal.removeEventListener('abort', abort);
      tls.setNoDelay(true);
      tls.removeAllListeners('error');
      resolve(tls);
    });
  });
}

/** What the UDP socket hands on: datagrams with our connection id. */
function datagrams(
  o: LinkClientOptions,
  connection: Uint8Array,
  path: () => MediaPath | undefined,
  routed: () => RoutedPath | undefined,
) {
  const trailer = new TrailerView();
  return (bytes: Buffer, address: string, port: number, now: number): void => {
    if (routed()?.receive(bytes, address, port, now)) return;
    const junk = trailer.read(bytes);
    if (junk !== undefined) return o.count(junk);
    if (!isConnection(bytes, trailer.start, connection)) return o.count('unknown-connection');
    try {
      path()?.receive(bytes, address, port, now);
    } catch (error) {
      o.onBug(error); // a sink's; the next packet may fare better
    }
  };
}

async function pathFound(
  o: LinkClientOptions,
  path: MediaPath,
  stream: ControlStream,
  address: string,
  port: number,
): Promise<void> {
  let undo = (): void => {};
  const found = new Promise<void>((resolve, reject) => {
    const why = `No datagram came back from the room node at ${address} UDP port ${port}: open that port between the hosts.`;
    undo = o.clock.at(o.clock.now() + PATH_MS, () => reject(refuse('server', 'room-unreachable', why)));
    void path.found.then(resolve);
    void stream.closed.then(why => reject(refuse('server', 'room-unreachable', lost(why).text as string)));
  });
  path.addRoute({ kind: 'udp', address, port });
  await found.finally(() => undo());
}

const lost = (why: string): Termination => ({
  blame: 'server',
  reason: 'room-lost',
  text: `The process that hosts this room was lost (${why}); join again.`,
});
