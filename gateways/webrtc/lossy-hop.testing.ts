import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';

/** A hop between browsers and the agent that loses some of the media. */
export class LossyHop {
  /** Loses every nth media packet, each way; 0: none. RTCP passes. */
  everyNth = 0;
  lost = 0;
  readonly #port: number;
  #front: Socket | undefined;
  /** One socket towards the agent for each browser socket. */
  readonly #backs = new Map<string, Socket>();
  #count = 0;

  /** `port`: of the agent. */
  constructor(port: number) {
    this.#port = port;
  }

  async open(): Promise<number> {
    const front = createSocket('udp4');
    this.#front = front;
    front.on('message', (bytes, from) => {
      if (this.#loses(bytes)) return;
      const key = `${from.address} ${from.port}`;
      let back = this.#backs.get(key);
      if (back === undefined) {
        back = createSocket('udp4');
        back.on('message', answer => this.#loses(answer) || front.send(answer, from.port, from.address));
        this.#backs.set(key, back);
      }
      back.send(bytes, this.#port, '127.0.0.1');
    });
    front.bind(0, '0.0.0.0');
    await once(front, 'listening');
    return (front.address() as AddressInfo).port;
  }

  close(): void {
    this.#front?.close();
    for (const back of this.#backs.values()) back.close();
  }

  #loses(b: Buffer): boolean {
    const media = b[0]! >= 128 && b[0]! < 192 && !(b[1]! >= 192 && b[1]! <= 223);
    if (!media || this.everyNth === 0 || ++this.#count % this.everyNth !== 0) return false;
    this.lost++;
    return true;
  }
}
