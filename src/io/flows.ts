import { lookup } from 'node:dns';
import { isIP } from 'node:net';
import type { PeerCertificate } from 'node:tls';
import type { Clock } from '../contract.ts';
import { refuse } from '../kit/refusal.ts';
import { connectTcp, listenTcp, type TcpConnection, type TcpHandlers, type TcpListener } from './tcp.ts';
import { connectTls, listenTls, type TlsClientOptions, type TlsListenOptions } from './tls.ts';
import { openUdp, type UdpSocket } from './udp.ts';

/** A path to one remote address: a UDP address, or a connection. `id` is `udp:host:port`, and what else tells it apart. */
export interface Flow {
  readonly id: string;
  readonly transport: 'udp' | 'tcp' | 'tls' | 'ws' | 'wss';
  readonly host: string;
  readonly port: number;
  /** Number of the listener it came in by. */
  readonly listener?: number;
  /** Outgoing TLS: whom the certificate must name; undefined: `host`. */
  readonly name?: string;
  /** Incoming TLS: whom a verified client certificate names. */
  readonly certified?: readonly string[];
}

export interface FlowsOptions {
  /** Address to bind, IPv4 or IPv6. */
  readonly address: string;
  /** 0: any port that is free for all the transports asked for. */
  readonly port: number;
  readonly tcp: boolean;
  readonly tls?: Pick<TlsListenOptions, 'port' | 'keys' | 'clientCertificates' | 'setting'> & {
    /** Whom a certificate names. */
    readonly names: (certificate: PeerCertificate) => readonly string[];
  };
  /** Without it nothing is sent over TLS but on connections that came in. */
  readonly tlsClient?: TlsClientOptions;
  /** Put into the flows that come in; default 0. */
  readonly listener?: number;
  /** Connections open at once, and of those from one address; more are closed as they come. */
  readonly maxConnections?: number;
  readonly maxPerAddress?: number;
  /** Bytes waiting for a peer that does not read; more, and the connection is closed. */
  readonly maxQueueBytes?: number;
  /** For messages: `sip.port`. */
  readonly setting: string;
}

export interface FlowsEvents {
  datagram(flow: Flow, bytes: Buffer): void;
  chunk(flow: Flow, bytes: Buffer): void;
  /** A connection ended, or could not be opened. */
  closed(flow: Flow): void;
  /** Why one could not be opened, in words; `closed` follows. */
  unreachable?(flow: Flow, why: string): void;
  /** Whether a connection from this address is taken at all; absent: yes. */
  admits?(host: string): boolean;
  /** Something was not taken; `reason` is a word of this file. */
  junk(reason: string): void;
}

/** One UDP socket and one TCP listener on the same port, and one for TLS, as flows. Knows no protocol. */
export interface Flows {
  readonly port: number;
  /** 0: none. */
  readonly tlsPort: number;
  /** Connections open or being opened. */
  readonly connections: number;
  /** Sends; over TCP and TLS opens the connection if there is none. Never throws; what cannot go ends in `closed` or `junk`. */
  send(flow: Flow, bytes: Uint8Array): void;
  /** Ends one connection after what was written to it. */
  hangUp(flow: Flow): void;
  /** Idempotent. Nothing is called any more from now on. */
  close(): Promise<void>;
}

const PORT_TRIES = 20;
/** Bytes held for a connection that is still being opened. */
const MAX_WAITING_BYTES = 64 * 1024;
/** A connection on which nothing is said for so long after it came is closed. */
const SILENT_MS = 32_000;

/** Rejects with a Refusal (`port-unavailable`) that says what to do. */
export async function openFlows(o: FlowsOptions, clock: Clock, on: FlowsEvents): Promise<Flows> {
  for (let attempt = 1; ; attempt++) {
    const flows = new BoundFlows(o, clock, on);
    try {
      await flows.bind();
      return flows;
    } catch (error) {
      await flows.close();
      // With port 0 the system chose for UDP alone; another may be free for both.
      if (o.port !== 0 || attempt === PORT_TRIES) throw error;
    }
  }
}

/** A connection, or what waits for it. */
interface Link {
  connection: TcpConnection | undefined;
  readonly waiting: Uint8Array[];
  waitingBytes: number;
}

class BoundFlows implements Flows {
  port = 0;
  tlsPort = 0;
  readonly #o: FlowsOptions;
  readonly #clock: Clock;
  readonly #on: FlowsEvents;
  readonly #limits: { readonly maxQueueBytes: number; readonly lingerMs: number };
  readonly #links = new Map<string, Link>();
  #udp: UdpSocket | undefined;
  readonly #listeners: TcpListener[] = [];
  #closed = false;

  constructor(o: FlowsOptions, clock: Clock, on: FlowsEvents) {
    this.#o = o;
    this.#clock = clock;
    this.#on = on;
    this.#limits = { maxQueueBytes: o.maxQueueBytes ?? 1 << 20, lingerMs: 500 };
  }

  get connections(): number {
    return this.#links.size;
  }

  async bind(): Promise<void> {
    const { address, port, tcp, tls } = this.#o;
    const family = isIP(address) === 6 ? 6 : 4;
    const datagram = (bytes: Buffer, host: string, from: number): void => {
      if (!this.#closed) this.#on.datagram(this.#flow('udp', host, from), bytes);
    };
    const clock = this.#clock;
    this.#udp = await openUdp({ family, address, port, clock, on: datagram }).catch(error => {
      throw unavailable(error as NodeJS.ErrnoException, this.#o);
    });
    this.port = this.#udp.port;
    if (tcp) await this.#listenTcp();
    if (tls !== undefined) await this.#listenTls(tls);
  }

  async #listenTcp(): Promise<void> {
    const listener = await listenTcp(
      { ...this.#listen, port: this.port, setting: this.#o.setting },
      this.#clock,
      c => this.#keep(this.#flow('tcp', c.address, c.port), c),
      why => this.#on.junk(`tcp-${why}`),
    );
    this.#listeners.push(listener);
  }

  async #listenTls({ names, ...tls }: NonNullable<FlowsOptions['tls']>): Promise<void> {
    const listener = await listenTls(
      { ...this.#listen, ...tls },
      this.#clock,
      (c, certificate) => {
        const certified = certificate && { certified: names(certificate) };
        return this.#keep({ ...this.#flow('tls', c.address, c.port), ...certified }, c);
      },
      why => this.#on.junk(`tls-${why}`),
    );
    this.#listeners.push(listener);
    this.tlsPort = listener.port;
  }

  get #listen() {
    const { address, maxConnections = 1000, maxPerAddress = 200 } = this.#o;
    return { ...this.#limits, address, ipv6Only: true, maxConnections, maxPerAddress };
  }

  #flow(transport: Flow['transport'], host: string, port: number): Flow {
    const { listener = 0 } = this.#o;
    const id = `${transport}:${host}:${port}`;
    return listener === 0
      ? { id, transport, host, port }
      : { id: `${id}@${listener}`, transport, host, port, listener };
  }

  send(flow: Flow, bytes: Uint8Array): void {
    if (this.#closed) return;
    if (flow.transport === 'udp') return this.#sendDatagram(flow, bytes);
    const link = this.#links.get(flow.id) ?? this.#open(flow);
    if (link?.connection !== undefined) link.connection.write(bytes);
    else if (link !== undefined && (link.waitingBytes += bytes.length) <= MAX_WAITING_BYTES)
      link.waiting.push(bytes);
    else this.#on.junk('unsendable');
  }

  hangUp(flow: Flow): void {
    this.#links.get(flow.id)?.connection?.end();
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#udp?.close();
    for (const { connection } of this.#links.values()) connection?.end();
    await Promise.all(this.#listeners.map(l => l.close()));
  }

  #sendDatagram({ host, port }: Flow, bytes: Uint8Array): void {
    if (isIP(host) !== 0) return this.#udp?.send(bytes, bytes.length, port, host);
    lookup(host, { family: isIP(this.#o.address) === 6 ? 6 : 4 }, (error, address) => {
      if (error !== null) this.#on.junk('name-not-found');
      else this.#udp?.send(bytes, bytes.length, port, address);
    });
  }

  #open(flow: Flow): Link | undefined {
    if (!this.#mayOpen(flow)) {
      this.#on.junk('unsendable');
      queueMicrotask(() => this.#gone(flow, undefined));
      return undefined;
    }
    const link: Link = { connection: undefined, waiting: [], waitingBytes: 0 };
    this.#links.set(flow.id, link);
    this.#connect(flow, link).then(
      connection => {
        link.connection = connection;
        for (const bytes of link.waiting.splice(0)) connection.write(bytes);
        if (this.#closed) connection.end();
      },
      error => {
        if (!this.#closed) this.#on.unreachable?.(flow, (error as Error).message);
        this.#gone(flow, link);
      },
    );
    return link;
  }

  #mayOpen({ transport, port }: Flow): boolean {
    const can = transport === 'tcp' || (transport === 'tls' && this.#o.tlsClient !== undefined);
    return can && port > 0 && port <= 65535 && this.#links.size < (this.#o.maxConnections ?? 1000);
  }

  #connect(flow: Flow, link: Link): Promise<TcpConnection> {
    const { host, port, transport, name = host } = flow;
    const { tlsClient } = this.#o;
    const handlers = this.#handlers(flow, link);
    return transport === 'tls' && tlsClient !== undefined
      ? connectTls(host, port, name, tlsClient, this.#limits, this.#clock, handlers)
      : connectTcp(host, port, this.#limits, this.#clock, handlers);
  }

  #keep(flow: Flow, connection: TcpConnection): TcpHandlers {
    if (this.#on.admits?.(flow.host) === false) {
      connection.destroy();
      return { data() {}, closed() {} };
    }
    const link: Link = { connection, waiting: [], waitingBytes: 0 };
    this.#links.set(flow.id, link);
    const silent = this.#clock.at(this.#clock.now() + SILENT_MS, () => {
      this.#on.junk('silent');
      connection.end();
    });
    return this.#handlers(flow, link, silent);
  }

  /** `heard`: called with the first bytes, and at the end. */
  #handlers(flow: Flow, link: Link, heard = (): void => {}): TcpHandlers {
    return {
      data: bytes => {
        heard();
        if (!this.#closed) this.#on.chunk(flow, bytes);
      },
      closed: () => {
        heard();
        this.#gone(flow, link);
      },
    };
  }

  #gone(flow: Flow, link: Link | undefined): void {
    if (link === undefined || this.#links.get(flow.id) === link) this.#links.delete(flow.id);
    if (!this.#closed) this.#on.closed(flow);
  }
}

function unavailable(error: NodeJS.ErrnoException, { address, port, setting }: FlowsOptions): Error {
  const where = `UDP port ${port} on ${address}`;
  const what =
    error.code === 'EADDRINUSE'
      ? `${where} is already in use: end the program that has it or set ${setting} to another port.`
      : error.code === 'EACCES'
        ? `${where} needs more rights than this process has: set ${setting} to a port above 1023.`
        : `${where} cannot be opened (${error.message}): check the address and ${setting}.`;
  return refuse('server', 'port-unavailable', what);
}
