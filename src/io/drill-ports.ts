import type { Clock, LegDrill } from '../contract.ts';
import { DrillLine } from './impaired.ts';
import type { OnDatagram, UdpPair, UdpPorts, UdpSocket } from './udp.ts';

interface Peer {
  readonly address: string;
  readonly port: number;
}

/** The port pairs of one leg, which a drill may impair all together; otherwise as those of `ports`. */
export class DrillPorts implements Pick<UdpPorts, 'open'> {
  readonly #ports: Pick<UdpPorts, 'open'>;
  readonly #clock: Clock;
  readonly #lines = new Set<DrillLine<Peer>>();
  #drill: LegDrill | null = null;

  constructor(ports: Pick<UdpPorts, 'open'>, clock: Clock) {
    this.#ports = ports;
    this.#clock = clock;
  }

  /** Pairs that are opened later are impaired too. Null: the drill is over. */
  drill(d: LegDrill | null): void {
    this.#drill = d;
    for (const line of this.#lines) line.drill(d);
  }

  async open(family: 4 | 6, on: { readonly rtp: OnDatagram; readonly rtcp: OnDatagram }): Promise<UdpPair> {
    const hear = (which: 'rtp' | 'rtcp'): DrillLine<Peer> =>
      new DrillLine<Peer>({
        clock: this.#clock,
        send: (bytes, length, to) => pair[which].send(bytes, length, to.port, to.address),
        receive: (bytes, from, now) => on[which](bytes, from.address, from.port, now),
      });
    const [rtp, rtcp] = [hear('rtp'), hear('rtcp')];
    const pair = await this.#ports.open(family, {
      rtp: behind(rtp, on.rtp),
      rtcp: behind(rtcp, on.rtcp),
    });
    for (const line of [rtp, rtcp]) {
      this.#lines.add(line);
      line.drill(this.#drill);
    }
    return {
      rtp: through(rtp, pair.rtp),
      rtcp: through(rtcp, pair.rtcp),
      close: () => {
        for (const line of [rtp, rtcp]) {
          line.close();
          this.#lines.delete(line);
        }
        pair.close();
      },
    };
  }
}

// Without a drill, which is nearly always, no object is made for a packet.

const behind =
  (line: DrillLine<Peer>, on: OnDatagram): OnDatagram =>
  (bytes, address, port, now) => {
    if (line.impairsIn) line.receive(bytes, { address, port }, now);
    else on(bytes, address, port, now);
  };

const through = (line: DrillLine<Peer>, socket: UdpSocket): UdpSocket => ({
  port: socket.port,
  get sendErrors() {
    return socket.sendErrors;
  },
  send: (bytes, length, port, address) => {
    if (line.impairsOut) line.send(bytes, length, { address, port });
    else socket.send(bytes, length, port, address);
  },
  queued: () => socket.queued(),
  close: () => {
    line.close();
    socket.close();
  },
});
