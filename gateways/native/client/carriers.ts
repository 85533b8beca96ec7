import { isIPv6 } from 'node:net';
import type { Clock } from '../../../src/contract.ts';
import { openUdp, SendSlots, type UdpSocket } from '../../../src/io/udp.ts';
import type { Route } from '../../../src/proto/artp/session/types.ts';
import type { Pipe } from '../pipe.ts';
import { Relayed, type RelayedOptions } from './relayed.ts';

const MAX_DATAGRAM = 1600;
/** More than this waiting in the socket: the network takes no more. */
const MAX_QUEUED = 1024;

/** The socket and the streams that packets of one member go by. */
export class Carriers {
  readonly #clock: Clock;
  /** Of the server, numeric. */
  readonly #address: string;
  readonly #receive: (bytes: Buffer, route: Route) => void;
  readonly #slots = new SendSlots(MAX_DATAGRAM);
  readonly #pipes = new Map<string, Pipe>();
  #udp: UdpSocket | undefined;
  #relayed: Relayed | undefined;
  #closed = false;
  /** Packets that could not be sent. */
  dropped = 0;

  constructor(clock: Clock, address: string, receive: (bytes: Buffer, route: Route) => void) {
    this.#clock = clock;
    this.#address = address;
    this.#receive = receive;
  }

  /** A new socket, and so a new address of ours; the old one is closed. Rejects when the system gives none. */
  async openUdp(): Promise<void> {
    const socket = await openUdp({
      family: isIPv6(this.#address) ? 6 : 4,
      port: 0,
      clock: this.#clock,
      on: (bytes, address, port) => {
        if (!this.#relayed?.receive(bytes, address, port))
          this.#receive(bytes, { kind: 'udp', address, port });
      },
    });
    this.#udp?.close();
    this.#udp = socket;
    if (this.#closed) socket.close();
    else this.#relayed?.again();
  }

  /** Binds at routers, where that is not done yet; `on` is told of the routes by them. */
  relay(o: Pick<RelayedOptions, 'routers' | 'ours' | 'theirs' | 'on'>): void {
    if (o.routers.length > 0 && !this.#closed)
      this.#relayed ??= new Relayed({ ...o, clock: this.#clock, send: this.transmit });
  }

  /** Its packets are told as of the route returned. */
  add(pipe: Pipe): Route {
    this.#pipes.set(pipe.id, pipe);
    if (this.#closed) pipe.destroy();
    return routeOf(pipe);
  }
  drop(pipe: Pipe): Route {
    this.#pipes.delete(pipe.id);
    return routeOf(pipe);
  }
  has(pipe: Pipe): boolean {
    return this.#pipes.has(pipe.id);
  }
  get streams(): number {
    return this.#pipes.size;
  }

  readonly transmit = (bytes: Uint8Array, length: number, route: Route): void => {
    if (route.kind === 'stream') {
      if (this.#pipes.get(route.address)?.send(bytes, length) !== true) this.dropped++;
      return;
    }
    const queued = this.#udp?.queued() ?? 0;
    if (this.#udp === undefined || queued > MAX_QUEUED || length > MAX_DATAGRAM) return void this.dropped++;
    const out = this.#slots.take(queued);
    out.set(bytes.subarray(0, length));
    this.#udp.send(out, length, route.port, route.address);
  };

  /** Idempotent. */
  close(): void {
    this.#closed = true;
    this.#relayed?.close();
    this.#udp?.close();
    for (const pipe of this.#pipes.values()) pipe.end();
    this.#pipes.clear();
  }
}

export const routeOf = (pipe: Pipe): Route => ({ kind: 'stream', address: pipe.id, port: 0 });
