import { randomBytes } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { WebSocketServer } from 'ws';
import type {
  Address,
  Agent,
  Host,
  LegEvent,
  LegRequest,
  Millis,
  Seat,
  Termination,
} from '../../src/contract.ts';
import type { TcpListener } from '../../src/io/tcp.ts';
import { listenTls } from '../../src/io/tls.ts';
import { openUdp, SendSlots, type UdpSocket } from '../../src/io/udp.ts';
import { RateLimit, RateLimits } from '../../src/kit/limits.ts';
import { refuse } from '../../src/kit/refusal.ts';
import { connectionId, newTag } from '../../src/proto/artp/relay/connection-id.ts';
import { resetToken, writeReset } from '../../src/proto/artp/session/reset.ts';
import { isResume } from '../../src/proto/artp/session/resume.ts';
import type { Route } from '../../src/proto/artp/session/types.ts';
import { TRAILER_BYTES } from '../../src/proto/artp/trailer.ts';
import { isDtls } from '../../src/proto/dtls/record.ts';
import { Alternates } from './alternates.ts';
import { type NativeCertificate, openCertificate } from './certificate.ts';
import type { NativeConfig } from './config.ts';
import { DtlsHellos, identityOf } from './dtls-hello.ts';
import { type Admitted, Greeter } from './greeting.ts';
import { HELLO_LIMIT } from './hello.ts';
import { NativeLeg } from './leg.ts';
import { Members } from './members.ts';
import { PIPE_LIMITS, type Pipe, type PipeHandlers, tlsPipe, webSocketPipe } from './pipe.ts';
import { type Alternate, readAlternates, type Ways } from './protocol.ts';
import { Resuming } from './resuming.ts';
import { Served, type SessionMaterial } from './served.ts';
import { Streams } from './streams.ts';
import { type Seated, Tickets } from './tickets.ts';

const FORMATS = ['opus', 'PCMU', 'PCMA', 'G722', 'H264', 'VP8'];
/** More than this waiting in the socket: the network takes no more, and neither do we. */
const MAX_QUEUED = 1024;
const MAX_DATAGRAM = 1600;
const RESETS_PER_SECOND = 5;
const HANDSHAKE_MS = 5000;
/** Members get so long to hear that the server ends. */
const GOODBYE_MS = 300;

const SHUTDOWN: Termination = {
  blame: 'server',
  reason: 'shutting-down',
  text: 'The server is shutting down.',
};

/** Native members over aRTP. It listens itself, so every leg it takes is pinned to it. */
export class NativeAgent implements Agent {
  readonly formats = FORMATS;
  readonly capacity: number;
  readonly #host: Host;
  readonly #config: NativeConfig;
  readonly #members = new Members<Served>();
  /** Begins our connection ids: routers know this socket by it. */
  readonly #tag = newTag(randomBytes);
  /** Those that have a session by now, with it. */
  readonly #legs = new Map<NativeLeg, Served | undefined>();
  readonly #resuming: Resuming;
  #tickets: Tickets | undefined;
  #alternates: Alternates | undefined;
  /** Undefined: the certificate is not of ECDSA. */
  #hellos: DtlsHellos | undefined;
  readonly #greeter: Greeter;
  readonly #streams: Streams;
  readonly #slots = new SendSlots(MAX_DATAGRAM);
  readonly #webSockets: WebSocketServer;
  readonly #resetKey = randomBytes(32);
  readonly #resets = new RateLimits(() => new RateLimit(RESETS_PER_SECOND, RESETS_PER_SECOND));
  #certificate: NativeCertificate | undefined;
  #udp: UdpSocket | undefined;
  #tls: TcpListener | undefined;
  #closing = false;

  constructor(host: Host, config: NativeConfig, id: string) {
    this.#host = host;
    this.#config = config;
    this.capacity = config.maxLegs;
    this.#greeter = new Greeter({
      host,
      config,
      agent: id,
      udpPort: () => this.#udp?.port ?? config.port,
      connection: () => this.#newId(),
      resetToken: c => resetToken(this.#resetKey, c),
      admitted: a => this.#seat(this.#begin(a.material), a),
    });
    this.#resuming = new Resuming({
      host,
      greeter: this.#greeter,
      tickets: () => this.#tickets,
      connection: () => this.#newId(),
      transmit: (bytes, length, route) => this.#transmit(bytes, length, route),
      begin: (material, opened) => this.#begin(material, opened),
      seat: (served, a) => this.#seat(served, a),
    });
    this.#streams = new Streams({
      host,
      greeter: this.#greeter,
      packet: (bytes, pipe) => this.#packet(bytes, 'stream', pipe.id, 0, host.clock.now()),
      isBound: pipe => this.#members.at(routeOf(pipe)) !== undefined,
      closed: pipe => this.#members.at(routeOf(pipe))?.dropRoute(routeOf(pipe)),
    });
    this.#webSockets = new WebSocketServer({
      noServer: true,
      maxPayload: HELLO_LIMIT,
      perMessageDeflate: false,
    });
  }

  get reach(): Alternate | undefined {
    if (this.#udp === undefined || this.#tls === undefined) return undefined;
    const host = this.#host.advertisedAddress(this.#config.address);
    return { host, udpPort: this.#udp.port, tlsPort: this.#tls.port };
  }

  async start(): Promise<readonly Address[]> {
    const { address, port, tlsPort, path } = this.#config;
    const host = this.#host;
    this.#tickets = await Tickets.open(host);
    this.#certificate = await openCertificate(host, this.#config);
    this.#udp = await this.#openUdp();
    this.#tls = await listenTls(
      {
        ...this.#config,
        ...PIPE_LIMITS,
        address,
        port: tlsPort,
        setting: 'native.tlsPort',
        keys: this.#certificate.keys,
        clientCertificates: 'none',
        minVersion: 'TLSv1.3',
        handshakeMs: HANDSHAKE_MS,
      },
      host.clock,
      tcp => this.#streams.opened('tls', on => tlsPipe(tcp, on)).handlers,
      why => host.count('connections_refused', why),
    ).catch(error => {
      this.#udp?.close();
      throw error;
    });
    host.relay.serve(this.#tag, address, this.#udp.port);
    const identity = identityOf(this.#certificate.pair);
    if (identity !== undefined)
      this.#hellos = new DtlsHellos({
        host,
        greeter: this.#greeter,
        identity,
        transmit: (bytes, length, route) => this.#transmit(bytes, length, route),
      });
    this.#mount(path);
    this.#alternates = new Alternates(host, () => this.#legs.keys());
    const { host: name } = this.reach as Alternate;
    const shown = name.includes(':') ? `[${name}]` : name;
    const note = port === 0 || this.#udp.port !== this.#tls.port - 1 ? `?udp=${this.#udp.port}` : '';
    return [{ url: `artp://${shown}:${this.#tls.port}/<room>${note}`, what: 'native members (aRTP)' }];
  }

  async take(request: LegRequest, seat: Seat, emit: (e: LegEvent) => void): Promise<NativeLeg> {
    const native = request.begin.type === 'offer' ? request.begin.native : null;
    const key =
      typeof native === 'object' && native !== null && 'connection' in native ? native.connection : undefined;
    const waiting = typeof key === 'string' ? this.#greeter.waiting.get(key) : undefined;
    if (waiting === undefined || waiting.leg !== undefined)
      throw refuse('client', 'connection-lost', 'The native member of this leg is not here any more.');
    if (this.#closing) throw refuse('server', 'shutting-down', SHUTDOWN.text as string);
    if (this.#legs.size >= this.#config.maxLegs)
      throw refuse(
        'server',
        'agent-full',
        `This server carries ${this.#config.maxLegs} native members at most (native.maxLegs); try again later.`,
      );
    const leg: NativeLeg = new NativeLeg(this.#host, request, seat, emit, why => {
      const served = this.#legs.get(leg);
      this.#legs.delete(leg);
      served?.end(why);
    });
    waiting.leg = leg;
    this.#legs.set(leg, undefined);
    seat.confirmed();
    emit({ type: 'description', id: 0, native: {} });
    return leg;
  }

  async close(): Promise<void> {
    this.#closing = true;
    this.#alternates?.stop();
    for (const leg of this.#legs.keys()) leg.close(SHUTDOWN);
    for (const served of this.#members.all()) served.end(SHUTDOWN); // who has come back, and has no leg yet
    const { clock } = this.#host;
    if (this.#members.size > 0)
      await new Promise<void>(done => clock.at(clock.now() + GOODBYE_MS, () => done()));
    for (const served of this.#members.all()) served.stop();
    const closed = this.#tls?.close();
    this.#streams.close();
    this.#webSockets.close();
    this.#hellos?.close();
    await closed;
    this.#udp?.close();
    this.#certificate?.close();
  }

  #begin(material: SessionMaterial, opened?: (served: Served) => void): Served {
    const served = new Served({
      host: this.#host,
      ...material,
      ...(opened && { opened }),
      transmit: (bytes, length, route) => this.#transmit(bytes, length, route),
      bind: (who, route, on) => this.#members.bind(who, route, on),
      gone: who => this.#members.remove(who),
    });
    this.#members.add(served);
    return served;
  }

  #seat(served: Served, { leg, material, seated }: Admitted): void {
    if (this.#legs.has(leg)) this.#legs.set(leg, served);
    served.seat(leg, () => this.#ways(material, seated));
  }

  #ways({ secret, suite, ours, theirs }: SessionMaterial, seated: Seated): Ways {
    const ticket = this.#tickets?.seal(secret, suite, seated, Date.now());
    return {
      t: 'ways',
      ...(ticket !== undefined && { ticket: ticket.toString('base64') }),
      alternates: readAlternates(this.#host.siblings()),
      routers: [...this.#host.relay.offers(theirs, ours)],
    };
  }

  #packet(bytes: Buffer, kind: Route['kind'], address: string, port: number, now: Millis): void {
    if (kind === 'udp' && isDtls(bytes)) return this.#hellos?.datagram(bytes, { kind, address, port }, now);
    if (isResume(bytes)) return this.#resume(bytes, { kind, address, port });
    const why = this.#members.datagram(bytes, kind, address, port, now);
    if (why === undefined || this.#hellos?.packet(bytes, { kind, address, port }, now) === true) return;
    this.#host.count('dropped', why);
    if (why === 'unknown-connection') this.#reset(bytes, { kind, address, port }, now);
  }

  /** Whoever is answered here waits here: while we close another agent is to be the first. */
  #resume(bytes: Buffer, route: Route): void {
    if (this.#closing) this.#host.count('refused', 'shutting-down');
    else this.#resuming.ask(bytes, route);
  }

  /** Whoever sends here as one we have forgotten is told so: less than it sent, and rarely. */
  #reset(bytes: Buffer, route: Route, now: Millis): void {
    const at = bytes.length - TRAILER_BYTES;
    if (!this.#resets.take(route.address, now)) return;
    const reset = writeReset(resetToken(this.#resetKey, bytes.subarray(at)), bytes.length);
    if (reset !== undefined) this.#transmit(reset, reset.length, route);
  }

  #transmit(bytes: Uint8Array, length: number, route: Route): void {
    if (route.kind === 'stream') {
      if (this.#streams.get(route.address)?.send(bytes, length) !== true)
        this.#host.count('dropped', 'stream-behind');
      return;
    }
    const udp = this.#udp;
    const queued = udp?.queued() ?? 0;
    if (udp === undefined || queued > MAX_QUEUED || length > MAX_DATAGRAM)
      return this.#host.count('dropped', 'send-queue-full');
    const out = this.#slots.take(queued);
    out.set(bytes.subarray(0, length));
    udp.send(out, length, route.port, route.address);
  }

  #newId(): Buffer {
    for (;;) {
      const id = connectionId(this.#tag, randomBytes);
      if (this.#members.free(id)) return id;
    }
  }

  #openUdp(): Promise<UdpSocket> {
    const { address, port } = this.#config;
    return openUdp({
      family: address.includes(':') ? 6 : 4,
      address,
      port,
      clock: this.#host.clock,
      on: (bytes, from, fromPort, now) => this.#packet(bytes, 'udp', from, fromPort, now),
    }).catch(error => {
      throw refuse(
        'server',
        'port-unavailable',
        `UDP port ${port} on ${address} cannot be opened (${(error as Error).message}): end the program that has it or set native.port to another port.`,
      );
    });
  }

  #mount(path: string): void {
    this.#host.http?.upgrade(path, (request: IncomingMessage, socket, head) => {
      const address = request.socket.remoteAddress ?? '';
      this.#webSockets.handleUpgrade(request, socket, head, ws =>
        this.#streams.opened('websocket', (on: PipeHandlers) => ({
          pipe: webSocketPipe(ws, address, this.#host.clock, on),
        })),
      );
    });
  }
}

const routeOf = (pipe: Pipe): Route => ({ kind: 'stream', address: pipe.id, port: 0 });
