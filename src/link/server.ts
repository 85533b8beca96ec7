import type { Socket } from 'node:net';
import { createServer, type Server, type TLSSocket } from 'node:tls';
import type { Clock, Log, Termination } from '../contract.ts';
import { limitHandshakes } from '../io/tls.ts';
import { openUdp, type UdpSocket } from '../io/udp.ts';
import { type Refusal, refuse, terminationOf } from '../kit/refusal.ts';
import { readHello, writeHelloAck, writeRefused } from '../proto/artp/hello.ts';
import { SECRET_BYTES } from '../proto/artp/keys.ts';
import { connectionId } from '../proto/artp/relay/connection-id.ts';
import type { RouterOffer } from '../proto/artp/relay/relay-routes.ts';
import { connectionKey, isConnection, TrailerView } from '../proto/artp/trailer.ts';
import type { RoomPort } from '../room/port.ts';
import { peerFingerprint } from './fingerprint.ts';
import { MediaPath } from './media-path.ts';
import { readAsk, type TellOut } from './messages.ts';
import { ServedSession } from './served-session.ts';
import { ControlStream, HELLO_MS, PING_EVERY_MS } from './stream.ts';

export interface LinkServerOptions {
  /** Id of this process. */
  readonly process: string;
  /** Address to listen on; `::` and other IPv6 ones serve IPv6 only. */
  readonly address: string;
  /** 0: any free one. */
  readonly udpPort: number;
  readonly tlsPort: number;
  readonly certPem: string;
  readonly keyPem: string;
  /** Whether a process with this certificate (SHA-256, `AA:BB:…`) may bring legs. */
  readonly trusted: (fingerprint: string) => boolean;
  /** Begins the connection ids chosen here: routers find this socket by it. */
  readonly tag: number;
  /** Routers that would relay between these two connection ids. */
  readonly routers: (client: Uint8Array, server: Uint8Array) => readonly RouterOffer[];
  /** The room of that name, made if need be; throws a Refusal. `address`: of the joining peer, for limits. */
  readonly rooms: (room: string, address?: string) => RoomPort | Promise<RoomPort>;
  readonly clock: Clock;
  readonly random: (bytes: number) => Buffer;
  readonly log: Log;
  /** Junk and drops, by reason. */
  readonly count: (reason: string) => void;
  /** A room, an egress or a sink has thrown. */
  readonly onBug: (error: unknown) => void;
}

interface Served {
  /** Id of the process at the other end. */
  readonly process: string;
  readonly connection: Buffer;
  readonly path: MediaPath;
  readonly session: ServedSession;
}

/** Connections that have not said HELLO yet: all that strangers can hold, for HELLO_MS at most. */
const MAX_STRANGERS = 64;

/** The room node's end of all links: one TLS port, one UDP port, a session for each agent process. */
export class LinkServer {
  readonly #o: LinkServerOptions;
  readonly #tls: Server;
  readonly #trailer = new TrailerView();
  /** By the first 48 bits of the connection id. */
  readonly #served = new Map<number, Served>();
  readonly #streams = new Set<ControlStream>();
  #udp: UdpSocket | undefined;
  readonly #raw = new Set<Socket>();

  constructor(options: LinkServerOptions) {
    this.#o = options;
    this.#tls = createServer({
      cert: options.certPem,
      key: options.keyPem,
      minVersion: 'TLSv1.3',
      requestCert: true,
      rejectUnauthorized: false, // the fingerprint decides, in #accept
    });
    this.#tls.on('connection', raw => this.#mayConnect(raw));
    limitHandshakes(this.#tls, HELLO_MS);
    this.#tls.on('tlsClientError', () => options.count('tls'));
    this.#tls.on('secureConnection', socket => void this.#accept(socket));
  }

  /** Rejects with a Refusal in words when a port cannot be had. */
  async listen(): Promise<{ readonly tlsPort: number; readonly udpPort: number }> {
    const { address, clock, udpPort, tlsPort } = this.#o;
    const unavailable = (what: string, setting: string, error: Error): Refusal =>
      refuse(
        'server',
        'port-unavailable',
        `${what} on ${address} cannot be opened for links between processes (${error.message}): ` +
          `end the program that has it or set ${setting} to another port.`,
      );
    this.#udp = await openUdp({
      family: address.includes(':') ? 6 : 4,
      address,
      port: udpPort,
      clock,
      on: (bytes, from, port, now) => this.#datagram(bytes, from, port, now),
    }).catch(error => {
      throw unavailable(`UDP port ${udpPort}`, 'artp.port', error);
    });
    await new Promise<void>((done, fail) => {
      this.#tls.once('error', fail);
      this.#tls.listen(tlsPort, address, () => {
        this.#tls.off('error', fail);
        done();
      });
    }).catch(error => {
      this.#udp?.close();
      throw unavailable(`TCP port ${tlsPort}`, 'artp.tlsPort', error);
    });
    const at = this.#tls.address();
    return { udpPort: this.#udp.port, tlsPort: typeof at === 'object' && at !== null ? at.port : tlsPort };
  }

  /** Processes connected now. */
  get processes(): number {
    return this.#served.size;
  }
  /** Their ids. */
  get linked(): ReadonlySet<string> {
    return new Set([...this.#served.values()].map(s => s.process));
  }

  /** Every process loses its link, and every leg that came by it leaves. Idempotent. */
  async close(): Promise<void> {
    const closed = new Promise<void>(done => this.#tls.close(() => done()));
    for (const stream of [...this.#streams]) stream.close('the room node is closing');
    const { clock } = this.#o;
    const undo = clock.at(clock.now() + PING_EVERY_MS, () => {
      for (const raw of this.#raw) raw.destroy(); // those still in their handshake
    });
    await closed;
    undo();
    this.#udp?.close();
  }

  #mayConnect(raw: Socket): void {
    if (this.#raw.size - this.#served.size >= MAX_STRANGERS) {
      this.#o.count('connections');
      raw.destroy();
      return;
    }
    this.#raw.add(raw);
    raw.once('close', () => this.#raw.delete(raw));
  }

  /** One connection from its first byte to its last. */
  async #accept(socket: TLSSocket): Promise<void> {
    const { log, count, onBug } = this.#o;
    const from = `${socket.remoteAddress} port ${socket.remotePort}`;
    socket.setNoDelay(true);
    const stream = new ControlStream(socket, this.#o.clock);
    this.#streams.add(stream);
    void stream.closed.then(() => this.#streams.delete(stream));
    try {
      this.#authorise(socket);
      const hello = readHello(await stream.first);
      const served = this.#serve(stream, hello.process, hello.connection);
      log.info({ process: hello.process, from }, 'link opened');
      const why = await stream.closed;
      const { legs } = served.session;
      this.#served.delete(connectionKey(served.connection, 0));
      served.session.end(lost(why));
      log.info({ process: hello.process, from, legs, why }, 'link closed');
    } catch (error) {
      const why = terminationOf(error);
      if (why.reason === 'internal-error') onBug(error);
      count(why.reason);
      log.warn({ from, why }, 'link refused');
      stream.send(writeRefused(why));
      stream.close(why.reason);
    }
  }

  #authorise(socket: TLSSocket): void {
    const shown = peerFingerprint(socket);
    if (shown !== undefined && this.#o.trusted(shown)) return;
    throw refuse(
      'client',
      'untrusted',
      `This room node does not know the certificate ${shown ?? '(none was shown)'}: only processes of its own system may connect.`,
    );
  }

  /** HELLO is good: keys, a connection id of ours, and the answer that carries both. */
  #serve(stream: ControlStream, process: string, theirConnection: Uint8Array): Served {
    const { clock, random, rooms, count, onBug, tag, routers } = this.#o;
    const socket = this.#udp as UdpSocket;
    let connection = connectionId(tag, random);
    while (this.#served.has(connectionKey(connection, 0))) connection = connectionId(tag, random);
    const secret = random(SECRET_BYTES);
    const path = new MediaPath({
      clock,
      socket,
      secret,
      side: 'server',
      connection,
      theirConnection,
      random,
      count,
    });
    const tell = (t: TellOut): void => stream.send(t);
    const session = new ServedSession({ path, tell, rooms, onBug });
    const served = { process, connection, path, session };
    this.#served.set(connectionKey(connection, 0), served);
    stream.send(
      writeHelloAck({
        process: this.#o.process,
        connection,
        secret,
        udpPort: socket.port,
        routers: routers(theirConnection, connection),
      }),
    );
    stream.open({
      message: m => {
        const ask = readAsk(m);
        if (ask === undefined) stream.close('it sent a message this version does not know');
        else session.handle(ask);
      },
      tick() {}, // the client asks whether datagrams pass, both ways
    });
    void stream.closed.then(() => path.close());
    return served;
  }

  #datagram(bytes: Buffer, address: string, port: number, now: number): void {
    const { count, onBug } = this.#o;
    const trailer = this.#trailer;
    const junk = trailer.read(bytes);
    if (junk !== undefined) return count(junk);
    const served = this.#served.get(connectionKey(bytes, trailer.start));
    if (served === undefined || !isConnection(bytes, trailer.start, served.connection))
      return count('unknown-connection');
    try {
      served.path.receive(bytes, address, port, now);
    } catch (error) {
      onBug(error); // a sink's; the next packet may fare better
    }
  }
}

const lost = (why: string): Termination => ({
  blame: 'server',
  reason: 'connection-lost',
  text: `The process that carried this leg is gone: ${why}; the member has to join again.`,
});
