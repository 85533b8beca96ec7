import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { once } from 'node:events';
import { type AddressInfo, createServer, connect as netConnect, type Server, type Socket } from 'node:net';

interface Ports {
  readonly udpPort: number;
  readonly tlsPort: number;
}

/**
 * Stands between a native member and its server, on loopback: one UDP port, one TCP port, each of which may lose what
 * it is told to. `url` goes on where the server's own would.
 */
export class ArtpRelay {
  /** Whether this datagram is lost. */
  loses: (bytes: Buffer, toServer: boolean) => boolean = () => false;
  readonly #udp: UdpSocket;
  readonly #tcp: Server;
  readonly #server: Ports;
  /** By the client's address: the socket that stands for it. */
  readonly #standIns = new Map<string, UdpSocket>();
  readonly #sockets = new Set<Socket>();
  #streams = true;
  /** Streams that were not taken. */
  refused = 0;
  /** Client addresses seen so far. */
  get clients(): number {
    return this.#standIns.size;
  }

  private constructor(udp: UdpSocket, tcp: Server, server: Ports) {
    this.#udp = udp;
    this.#tcp = tcp;
    this.#server = server;
    udp.on('message', (bytes, from) => {
      if (this.loses(bytes, true)) return;
      this.#standIn(from.address, from.port).send(bytes, server.udpPort, '127.0.0.1');
    });
    tcp.on('connection', client => this.#connected(client));
  }

  static async open(server: Ports): Promise<ArtpRelay> {
    const udp = createSocket('udp4');
    udp.bind(0, '127.0.0.1');
    await once(udp, 'listening');
    const tcp = createServer();
    tcp.listen(0, '127.0.0.1');
    await once(tcp, 'listening');
    return new ArtpRelay(udp, tcp, server);
  }

  url(room: string): string {
    const { port } = this.#tcp.address() as AddressInfo;
    return `artp://127.0.0.1:${port}/${room}?udp=${this.#udp.address().port}`;
  }

  /** Streams break, and none is taken until they are allowed again. */
  streams(allowed: boolean): void {
    this.#streams = allowed;
    if (!allowed) for (const socket of this.#sockets) socket.destroy();
  }

  async close(): Promise<void> {
    this.streams(false);
    for (const standIn of this.#standIns.values()) standIn.close();
    this.#udp.close();
    await new Promise(done => this.#tcp.close(done));
  }

  #standIn(address: string, port: number): UdpSocket {
    const key = `${address} ${port}`;
    const known = this.#standIns.get(key);
    if (known !== undefined) return known;
    const made = createSocket('udp4');
    made.on('message', bytes => {
      if (!this.loses(bytes, false)) this.#udp.send(bytes, port, address);
    });
    this.#standIns.set(key, made);
    return made;
  }

  #connected(client: Socket): void {
    if (!this.#streams) {
      this.refused++;
      return void client.destroy();
    }
    const server = netConnect(this.#server.tlsPort, '127.0.0.1');
    for (const [one, other] of [
      [client, server],
      [server, client],
    ] as const) {
      this.#sockets.add(one);
      one.on('error', () => {});
      one.on('close', () => {
        this.#sockets.delete(one);
        other.destroy();
      });
      one.pipe(other);
    }
  }
}

/** The ports in an address a native agent prints. */
export function portsOf(url: string): Ports {
  const { port, searchParams } = new URL(url);
  return { tlsPort: Number(port), udpPort: Number(searchParams.get('udp') ?? Number(port) - 1) };
}
