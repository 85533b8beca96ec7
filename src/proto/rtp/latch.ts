import type { Millis } from '../../kit/core.ts';

export interface Endpoint {
  readonly address: string;
  readonly port: number;
}

/** How sure a source is the peer, by what signalling said. A higher one displaces a lower one, never the reverse. */
const NONE = 0;
const ANYONE = 1;
const SIGNALLING = 2;
const SIGNALLED_HOST = 3;
const SIGNALLED = 4;

/** After a change of the signalled address, packets still under way come from the old one for about this long. */
const MOVE_MS = 5000;

/**
 * Symmetric RTP: whose packets are heard, and where ours go. The source is taken once ("latched") and kept until
 * the peer signals again, so a third party cannot take over a running stream.
 *
 * Taken at once: the signalled address, at any port. Taken where none better came first: the host the signalling
 * came from, and any source when the signalled address cannot be the whole truth: before the answer, a private
 * address (NAT), an unspecified one, or one that differs from the signalling's (a proxy, an SBC). A source
 * nobody signalled gives way to one that was.
 */
export class Latch {
  #signalled: Endpoint | undefined;
  #signalling: string | undefined;
  #latched: Endpoint | undefined;
  #rank = NONE;
  /** After a new signal, a source of equal rank may take over: until the old one speaks, or a while if the peer moved. */
  #open = false;
  #openUntil: Millis = 0;

  /** `signalling`: the address requests of this peer come from, if known. */
  constructor(signalling?: string) {
    this.#signalling = signalling;
  }

  /** Where the peer's newest description wants media; undefined (0.0.0.0, a name) leaves everything as it is. */
  signal(remote: Endpoint | undefined, now: Millis): void {
    if (remote === undefined) return;
    const moved = this.#signalled !== undefined && !same(this.#signalled, remote);
    this.#signalled = remote;
    if (this.#latched === undefined) return;
    this.#rank = this.#rankOf(this.#latched.address, this.#latched.port);
    if (this.#rank === NONE) this.#latched = undefined;
    this.#open = true;
    this.#openUntil = moved ? now + MOVE_MS : now;
  }

  /** True when a packet from this source is the peer's; takes the source if it may. */
  accept(address: string, port: number, now: Millis): boolean {
    const latched = this.#latched;
    if (latched !== undefined && latched.port === port && latched.address === address) {
      if (this.#open && now >= this.#openUntil) this.#open = false;
      return true;
    }
    const rank = this.#rankOf(address, port);
    if (rank === NONE) return false;
    if (latched !== undefined && rank <= this.#rank && !(this.#open && rank === this.#rank)) return false;
    this.#latched = { address, port };
    this.#rank = rank;
    this.#open = false;
    return true;
  }

  /** A packet from this source was authentic: it is the peer's, whatever was signalled. */
  prove(address: string, port: number): void {
    if (this.#latched?.address !== address || this.#latched.port !== port) this.#latched = { address, port };
    this.#rank = SIGNALLED;
    this.#open = false;
  }

  /** Where to send: where the peer's packets come from, else where it said. */
  get target(): Endpoint | undefined {
    return this.#latched ?? this.#signalled;
  }

  /** The source taken, if any. */
  get latched(): Endpoint | undefined {
    return this.#latched;
  }

  #rankOf(address: string, port: number): number {
    const to = this.#signalled;
    if (to !== undefined && to.address === address) return to.port === port ? SIGNALLED : SIGNALLED_HOST;
    if (address === this.#signalling) return SIGNALLING;
    const whole = to !== undefined && to.address === this.#signalling && !isPrivate(to.address);
    return whole ? NONE : ANYONE;
  }
}

const same = (a: Endpoint | undefined, b: Endpoint | undefined): boolean =>
  a?.address === b?.address && a?.port === b?.port;

/** Loopback, RFC 1918, link-local, carrier NAT (RFC 6598), and their IPv6 kin: means nothing beyond a NAT. */
const isPrivate = (address: string): boolean =>
  /^(127|10|192\.168|169\.254|172\.(1[6-9]|2\d|3[01])|100\.(6[4-9]|[7-9]\d|1[01]\d|12[0-7]))\./.test(
    address,
  ) || /^(::1$|f[cd]|fe[89ab])/i.test(address);
