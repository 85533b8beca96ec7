import { lookup } from 'node:dns';
import { isIP } from 'node:net';
import type { Clock } from '../contract.ts';
import { refuse } from '../kit/refusal.ts';
import { connectTcp, listenTcp, type TcpConnection, type TcpHandlers, type TcpListener } from './tcp.ts';
import { openUdp, type UdpSocket } from './udp.ts';

/** A path to one remote address: a UDP address, or a TCP connection. `id` is `udp:host:port` or `tcp:host:port`. */
export interface Flow {
  readonly id: string;
  readonly transport: 'udp' | 'tcp';
  readonly host: string;
  readonly port: number;
}

export interface FlowsOptions {
  /** Address to bind, IPv4 or IPv6. */
  readonly address: string;
  /** 0: any port that is free for all the transports asked for. */
  readonly port: number;
  readonly tcp: boolean;
  /** TCP connections open at once, and of those from one address; more are closed as they come. */
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
  /** Something was not taken; `reason` is a word of this file. */
  junk(reason: string): void;
}

/** One UDP socket and one TCP listener on the same port, as flows. Knows no protocol. */
export interface Flows {
  readonly port: number;
  /** TCP connections open or being opened. */
  readonly connections: number;
  /** Sends; over TCP opens the connection if there is none. Never throws; what cannot go ends in `closed` or `junk`. */
  send(flow: Flow, bytes: Uint8Array): void;
  /** Ends one connection after what was written to it. */
  hangUp(flow: Flow): void;
  /** Idempotent. Nothing is called any more from now on. */
  close(): Promise<void>;
}

const PORT_TRIES = 20;
/** Bytes held for a connection that is still being opened. */
const MAX_WAITING_BYTES = 64 * 1024;

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
  readonly #o: FlowsOptions;
  readonly #clock: Clock;
  readonly #on: FlowsEvents;
  readonly #limits: { readonly maxQueueBytes: number; readonly lingerMs: number };
  readonly #links = new Map<string, Link>();
  #udp: UdpSocket | undefined;
  #tcp: TcpListener | undefined;
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
    const { address, port, setting, tcp } = this.#o;
    const family = isIP(address) === 6 ? 6 : 4;
    const datagram = (bytes: Buffer, host: string, from: number): void => {
      if (!this.#closed) this.#on.datagram(flowOf('udp', host, from), bytes);
    };
    const clock = this.#clock;
    this.#udp = await openUdp({ family, address, port, clock, on: datagram }).catch(error => {
      throw unavailable(error as NodeJS.ErrnoException, this.#o);
    });
    this.port = this.#udp.port;
    if (!tcp) return;
    const maxConnections = this.#o.maxConnections ?? 1000;
    const maxPerAddress = this.#o.maxPerAddress ?? 200;
    this.#tcp = await listenTcp(
      { ...this.#limits, address, port: this.port, maxConnections, maxPerAddress, setting },
      clock,
      c => this.#keep(flowOf('tcp', c.address, c.port), c),
      why => this.#on.junk(`tcp-${why}`),
    );
  }

  send(flow: Flow, bytes: Uint8Array): void {
    if (this.#closed) return;
    if (flow.transport === 'udp') return this.#sendDatagram(flow, bytes);
    const link = this.#links.get(flow.id) ?? this.#open(flow);
    if (link?.connection !== undefined) link.connection.write(bytes);
    else if (link !== undefined && (link.waitingBytes += bytes.length) <= MAX_WAITING_BYTES)
      link.waiting.push(bytes);
    else this.#on.junk('tcp-unsendable');
  }

  hangUp(flow: Flow): void {
    this.#links.get(flow.id)?.connection?.end();
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#udp?.close();
    for (const { connection } of this.#links.values()) connection?.end();
    await this.#tcp?.close();
  }

  #sendDatagram({ host, port }: Flow, bytes: Uint8Array): void {
    if (isIP(host) !== 0) return this.#udp?.send(bytes, bytes.length, port, host);
    lookup(host, { family: isIP(this.#o.address) === 6 ? 6 : 4 }, (error, address) => {
      if (error !== null) this.#on.junk('name-not-found');
      else this.#udp?.send(bytes, bytes.length, port, address);
    });
  }

  #open(flow: Flow): Link | undefined {
    if (flow.port < 1 || flow.port > 65535 || this.#links.size >= (this.#o.maxConnections ?? 1000)) {
      this.#on.junk('tcp-unsendable');
      queueMicrotask(() => this.#gone(flow));
      return undefined;
    }
    const link: Link = { connection: undefined, waiting: [], waitingBytes: 0 };
    this.#links.set(flow.id, link);
    connectTcp(flow.host, flow.port, this.#limits, this.#clock, this.#handlers(flow)).then(
      connection => {
        link.connection = connection;
        for (const bytes of link.waiting.splice(0)) connection.write(bytes);
        if (this.#closed) connection.end();
      },
      () => this.#gone(flow),
    );
    return link;
  }

  #keep(flow: Flow, connection: TcpConnection): TcpHandlers {
    this.#links.set(flow.id, { connection, waiting: [], waitingBytes: 0 });
    return this.#handlers(flow);
  }

  #handlers(flow: Flow): TcpHandlers {
    return {
      data: bytes => {
        if (!this.#closed) this.#on.chunk(flow, bytes);
      },
      closed: () => this.#gone(flow),
    };
  }

  #gone(flow: Flow): void {
    this.#links.delete(flow.id);
    if (!this.#closed) this.#on.closed(flow);
  }
}

const flowOf = (transport: Flow['transport'], host: string, port: number): Flow => ({
  id: `${transport}:${host}:${port}`,
  transport,
  host,
  port,
});

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
