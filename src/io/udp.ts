import dgram from 'node:dgram';
import { isIP } from 'node:net';
import type { Clock } from '../contract.ts';
import { refuse } from '../kit/refusal.ts';

/** `bytes` belong to the caller from here on; `address` is a numeric IP. */
export type OnDatagram = (bytes: Buffer, address: string, port: number, now: number) => void;

/** A bound socket. Nothing here throws after it is open. */
export interface UdpSocket {
  readonly port: number;
  /** Datagrams that could not be handed to the system so far. */
  readonly sendErrors: number;
  /** Sends the first `length` bytes. Datagrams for names and for port 0 count as errors: nothing is looked up. */
  send(bytes: Uint8Array, length: number, port: number, address: string): void;
  /** Bytes of earlier sends may still be read by the system while this is above 0. */
  queued(): number;
  /** Idempotent. */
  close(): void;
}

/** Speech of a second in bursts, so that a busy process loses nothing; the system may grant less. */
const BUFFER_BYTES = 512 * 1024;

/** Binds one UDP socket; `port` 0: the system chooses. Rejects with the system's error (`EADDRINUSE`, say). */
export function openUdp(o: {
  readonly family: 4 | 6;
  readonly address?: string;
  readonly port: number;
  readonly clock: Clock;
  readonly on: OnDatagram;
}): Promise<UdpSocket> {
  return new Promise((resolve, reject) => {
    // A numeric address needs no look-up; the default one would defer every send to the next tick.
    const socket = dgram.createSocket({
      type: o.family === 6 ? 'udp6' : 'udp4',
      ipv6Only: o.family === 6,
      lookup: (host, _options, done) => done(null, host, o.family),
    });
    const failed = (error: Error): void => {
      socket.close();
      reject(error);
    };
    socket.once('error', failed);
    socket.bind(o.port, o.address, () => {
      socket.off('error', failed);
      grow(socket);
      resolve(wrap(socket, o.family));
    });
    socket.on('message', (bytes, from) => o.on(bytes, from.address, from.port, o.clock.now()));
  });
}

function grow(socket: dgram.Socket): void {
  try {
    socket.setRecvBufferSize(BUFFER_BYTES);
    socket.setSendBufferSize(BUFFER_BYTES);
  } catch {
    // The system's own size it is.
  }
}

function wrap(socket: dgram.Socket, family: 4 | 6): UdpSocket {
  let open = true;
  let sendErrors = 0;
  const sent = (error: Error | null): void => {
    if (error) sendErrors++;
  };
  socket.on('error', () => sendErrors++); // an unreachable peer is its own trouble
  return {
    port: socket.address().port,
    get sendErrors() {
      return sendErrors;
    },
    send(bytes, length, port, address) {
      if (!open) return;
      if (port < 1 || port > 65535 || isIP(address) !== family) {
        sendErrors++;
        return;
      }
      socket.send(bytes, 0, length, port, address, sent);
    },
    queued: () => (open ? socket.getSendQueueCount() : 0),
    close() {
      if (!open) return;
      open = false;
      socket.close();
    },
  };
}

/** An even port for RTP and the odd one above it for RTCP (RFC 3550 §11). */
export interface UdpPair {
  readonly rtp: UdpSocket;
  readonly rtcp: UdpSocket;
  /** Idempotent; the ports are free again. */
  close(): void;
}

/** How often the system is asked for a port that happens to be even and to have a free neighbour. */
const SYSTEM_TRIES = 100;

/**
 * Gives out port pairs of a range: in turn from a random start, so that a port rests as long as possible before a
 * new call could hear packets of an old one. `{ min: 0, max: 0 }`: the system chooses.
 */
export class UdpPorts {
  readonly #first: number;
  readonly #pairs: number;
  #next = 0;
  #inUse = 0;
  readonly #o: {
    readonly min: number;
    readonly max: number;
    readonly address?: string;
    readonly clock: Clock;
  };

  /** `address`: to bind to; default all. */
  constructor(o: {
    readonly min: number;
    readonly max: number;
    readonly address?: string;
    readonly clock: Clock;
  }) {
    this.#o = o;
    this.#first = o.min + (o.min % 2);
    this.#pairs = o.min === 0 ? SYSTEM_TRIES : Math.max(0, Math.floor((o.max - this.#first + 1) / 2));
    if (o.min !== 0) this.#next = Math.floor(Math.random() * this.#pairs);
  }

  /** Pairs open now. */
  get inUse(): number {
    return this.#inUse;
  }

  /** Pairs the range holds; infinite when the system chooses. */
  get size(): number {
    return this.#o.min === 0 ? Number.POSITIVE_INFINITY : this.#pairs;
  }

  /** Binds the next free pair. Rejects with a Refusal `no-port` when none is left. */
  async open(family: 4 | 6, on: { readonly rtp: OnDatagram; readonly rtcp: OnDatagram }): Promise<UdpPair> {
    for (let tried = 0; tried < this.#pairs; tried++) {
      const rtp = await this.#bind(family, this.#candidate(), on.rtp);
      if (rtp === undefined) continue;
      const rtcp = rtp.port % 2 === 0 ? await this.#bind(family, rtp.port + 1, on.rtcp) : undefined;
      if (rtcp !== undefined) return this.#pair(rtp, rtcp);
      rtp.close();
    }
    const { min, max } = this.#o;
    throw refuse(
      'server',
      'no-port',
      min === 0
        ? 'The system gave no pair of free UDP ports; raise its limit of open files or end calls.'
        : `All RTP ports from ${min} to ${max} are in use; widen rtpPorts or end calls.`,
    );
  }

  #candidate(): number {
    if (this.#o.min === 0) return 0;
    const port = this.#first + 2 * this.#next;
    this.#next = (this.#next + 1) % this.#pairs;
    return port;
  }

  async #bind(family: 4 | 6, port: number, on: OnDatagram): Promise<UdpSocket | undefined> {
    const { address, clock } = this.#o;
    try {
      return await openUdp({ family, port, clock, on, ...(address !== undefined && { address }) });
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code;
      if (code === 'EADDRINUSE' || code === 'EACCES') return undefined;
      throw refuse('server', 'no-port', `No UDP socket could be opened for media (${code}).`);
    }
  }

  #pair(rtp: UdpSocket, rtcp: UdpSocket): UdpPair {
    this.#inUse++;
    let open = true;
    return {
      rtp,
      rtcp,
      close: () => {
        rtp.close();
        rtcp.close();
        if (open) this.#inUse--;
        open = false;
      },
    };
  }
}

/** Slots of a burst within one turn of the event loop; more are allocated. */
const SLOTS = 16;

/**
 * Output buffers reused from send to send. The system may read a buffer until its send completes, so slots are
 * taken in turn and only begun anew when the socket's queue is empty.
 */
export class SendSlots {
  readonly #slots: Buffer[];
  readonly #bytes: number;
  #next = 0;
  constructor(bytes: number) {
    this.#bytes = bytes;
    this.#slots = [Buffer.allocUnsafeSlow(bytes)];
  }

  /** A buffer to fill and send before anything else is taken. `queued`: of the socket it goes to. */
  take(queued: number): Buffer {
    if (queued === 0) this.#next = 0;
    const at = this.#next++;
    const slot = this.#slots[at] ?? Buffer.allocUnsafeSlow(this.#bytes);
    if (at < SLOTS) this.#slots[at] = slot;
    return slot;
  }
}
