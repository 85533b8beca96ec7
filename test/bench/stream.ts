import dgram from 'node:dgram';
import { RTP_HEADER_BYTES, writeRtpHeader } from '../../src/proto/rtp/rtp.ts';

/** 20 ms of G.711. */
export const G711_BYTES = 160;
/** After this long without an arrival what is under way counts as lost. */
const LOST_MS = 200;

/** One RTP stream through a forwarder: sends to it, and receives what it passes on. */
export class Stream {
  lost = 0;
  readonly #out = dgram.createSocket({ type: 'udp4', lookup: numeric });
  readonly #in = dgram.createSocket({ type: 'udp4', lookup: numeric });
  readonly #packet: Buffer;
  /** The next sequence number, by port: every forwarder has a stream without holes. */
  readonly #seqs = new Map<number, number>();
  #arrived: () => void = () => {};

  /** `bytes`: of each packet's payload. */
  constructor(bytes = G711_BYTES) {
    this.#packet = Buffer.alloc(RTP_HEADER_BYTES + bytes, 0x55);
  }

  /** Both sockets bound; their ports. */
  async open(): Promise<{ from: number; to: number }> {
    for (const socket of [this.#out, this.#in])
      await new Promise<void>(resolve => socket.bind(0, '127.0.0.1', resolve));
    this.#in.on('message', () => this.#arrived());
    return { from: this.#out.address().port, to: this.#in.address().port };
  }

  /** Sends `packets` to `port`, never more than `inFlight` under way; resolves when all have arrived or are lost. */
  send(port: number, packets: number, inFlight: number): Promise<void> {
    return new Promise(resolve => {
      let sent = 0;
      let arrived = 0;
      let seq = this.#seqs.get(port) ?? 0;
      this.#seqs.set(port, seq + packets);
      const fill = (): void => {
        while (sent < packets && sent - arrived < inFlight) {
          sent++;
          writeRtpHeader(this.#packet, 0, false, ++seq, seq * G711_BYTES, 0x1234);
          this.#out.send(Buffer.from(this.#packet), port, '127.0.0.1');
        }
      };
      const next = (): void => {
        if (arrived < packets) return fill();
        clearInterval(watch);
        resolve();
      };
      let seen = 0;
      const watch = setInterval(() => {
        if (seen === arrived) {
          this.lost += sent - arrived;
          arrived = sent;
          next();
        }
        seen = arrived;
      }, LOST_MS);
      this.#arrived = () => {
        arrived++;
        next();
      };
      fill();
    });
  }

  close(): void {
    this.#out.close();
    this.#in.close();
  }
}

/** Addresses here are numeric: nothing is looked up, or every send would wait for the next tick. */
export function numeric(
  host: string,
  _options: unknown,
  done: (error: null, address: string, family: number) => void,
): void {
  done(null, host, 4);
}
