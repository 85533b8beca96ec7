import type { Clock } from '../../src/contract.ts';
import type { OnDatagram, UdpSocket } from '../../src/io/udp.ts';
import { DueQueue } from '../../src/kit/due.ts';
import { ImpairedLink, type Impairment } from '../../src/kit/impairment.ts';

/** Time that passes only when it is run: minutes in milliseconds. */
export class VirtualClock implements Clock {
  #now: number;
  readonly #due = new DueQueue<{ run: (() => void) | undefined }>();

  constructor(now = 0) {
    this.#now = now;
  }

  now(): number {
    return this.#now;
  }

  at(when: number, run: () => void): () => void {
    const timer: { run: (() => void) | undefined } = { run };
    this.#due.push(Math.max(when, this.#now), timer);
    return () => {
      timer.run = undefined;
    };
  }

  /** Calls `tick` every `everyMs` from `everyMs` on; answers with its undo. */
  every(everyMs: number, tick: (now: number) => void): () => void {
    let undo = (): void => {};
    const arm = (when: number): void => {
      undo = this.at(when, () => {
        arm(when + everyMs);
        tick(this.#now);
      });
    };
    arm(this.#now + everyMs);
    return () => undo();
  }

  /** Runs everything due in the next `ms`, in order of time. */
  run(ms: number): void {
    const end = this.#now + ms;
    while (this.#due.deadline <= end) {
      const at = this.#due.deadline;
      this.#now = at;
      for (
        let timer: { run: (() => void) | undefined } | undefined;
        (timer = this.#due.take(at)) !== undefined;
      )
        timer.run?.();
    }
    this.#now = end;
  }
}

/** What a datagram is on the line beyond its bytes: IPv4 and UDP headers. */
const IP_UDP_BYTES = 28;

interface Datagram {
  readonly bytes: Buffer;
  readonly from: { readonly address: string; readonly port: number };
  readonly to: { readonly address: string; readonly port: number };
}

/** A socket of the virtual network; what `openUdp` gives, without the system. */
export interface VirtualSocket extends UdpSocket {
  readonly address: string;
}

/**
 * A network in one process: hosts have addresses, sockets bind to one and a port, and between each two addresses lie two
 * links, one a direction, that can be impaired while packets are under way. Everything is decided by `seed`.
 */
export class VirtualNet {
  readonly clock: VirtualClock;
  readonly #seed: number;
  readonly #sockets = new Map<string, OnDatagram>();
  readonly #lines = new Map<string, Line>();
  #nextPort = 40_000;

  constructor(seed: number, clock = new VirtualClock(10_000)) {
    this.#seed = seed;
    this.clock = clock;
  }

  /** `port` 0: any. Throws when it is taken. */
  open(address: string, port: number, on: OnDatagram): VirtualSocket {
    const bound = port === 0 ? this.#nextPort++ : port;
    const key = `${address} ${bound}`;
    if (this.#sockets.has(key)) throw new Error(`EADDRINUSE ${key}`);
    this.#sockets.set(key, on);
    let open = true;
    return {
      address,
      port: bound,
      sendErrors: 0,
      send: (bytes, length, toPort, to) => {
        if (!open) return;
        const copy = Buffer.from(bytes.subarray(0, length)); // the sender reuses its buffer
        this.link(address, to).send({
          bytes: copy,
          from: { address, port: bound },
          to: { address: to, port: toPort },
        });
      },
      queued: () => 0,
      close: () => {
        if (open) this.#sockets.delete(key);
        open = false;
      },
    };
  }

  /** From one address to another; the way back is another link. */
  link(from: string, to: string): Line {
    const key = `${from} ${to}`;
    let line = this.#lines.get(key);
    if (line === undefined) {
      line = new Line(this.#seed * 1000 + this.#lines.size, this.clock, d => this.#deliver(d));
      this.#lines.set(key, line);
    }
    return line;
  }

  /** Both ways at once. */
  impair(a: string, b: string, there: Impairment, back: Impairment = there): void {
    this.link(a, b).impair(there);
    this.link(b, a).impair(back);
  }

  #deliver({ bytes, from, to }: Datagram): void {
    this.#sockets.get(`${to.address} ${to.port}`)?.(bytes, from.address, from.port, this.clock.now());
  }
}

/** One direction between two addresses. */
class Line {
  readonly #link: ImpairedLink<Datagram>;
  readonly #clock: VirtualClock;
  readonly #deliver: (d: Datagram) => void;
  #armed = Number.POSITIVE_INFINITY;
  #disarm: () => void = () => {};
  /** Sees every datagram as it is sent, before the link decides. */
  tap: ((bytes: Buffer, now: number) => void) | undefined;

  constructor(seed: number, clock: VirtualClock, deliver: (d: Datagram) => void) {
    this.#link = new ImpairedLink(seed);
    this.#clock = clock;
    this.#deliver = deliver;
  }

  get stats() {
    return this.#link.stats;
  }

  impair(impairment: Impairment): void {
    this.#link.handle({ type: 'set', impairment }, this.#clock.now());
    this.#drain();
  }

  send(packet: Datagram): void {
    this.tap?.(packet.bytes, this.#clock.now());
    const bytes = packet.bytes.length + IP_UDP_BYTES;
    this.#link.handle({ type: 'packet', packet, bytes }, this.#clock.now());
    this.#arm(); // what is due at once is delivered after the sender is done, as by a system
  }

  #drain(): void {
    for (let d: Datagram | undefined; (d = this.#link.poll()) !== undefined; ) this.#deliver(d);
    this.#arm();
  }

  #arm(): void {
    const { deadline } = this.#link;
    if (deadline === this.#armed) return;
    this.#disarm();
    this.#armed = deadline;
    if (deadline === Number.POSITIVE_INFINITY) return;
    this.#disarm = this.#clock.at(deadline, () => {
      this.#armed = Number.POSITIVE_INFINITY;
      this.#link.handle({ type: 'tick' }, this.#clock.now());
      this.#drain();
    });
  }
}
