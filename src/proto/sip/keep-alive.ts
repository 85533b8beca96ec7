import type { Millis } from '../../kit/core.ts';
import { ipBytes } from '../../kit/ip.ts';
import type { Flow } from './flow.ts';
import type { Timer, TimerOwner, Timers } from './timers.ts';

export const PING = Buffer.from('\r\n\r\n');
export const PONG = Buffer.from('\r\n');
/** RFC 5626 §4.4.1: "If a pong is not received within 10 seconds after sending a ping … the flow is considered failed". */
const PONG_MS = 10_000;

interface Outside {
  readonly timers: Timers;
  readonly now: Millis;
  readonly random: (bytes: number) => Buffer;
  ping(flow: Flow): void;
  /** The connection is dead, whatever the system thinks of it. */
  failed(flow: Flow): void;
}

/** One path kept open: through NATs, and known to be dead when it is. */
class Kept implements TimerOwner {
  readonly #keeper: Outside;
  readonly #flow: Flow;
  readonly #everyMs: Millis;
  #next: Timer | undefined;
  #pong: Timer | undefined;
  /** It knows what a ping is: silence means something. Not every server does, and nothing tells but trying. */
  #answers = false;

  constructor(keeper: Outside, flow: Flow, everyMs: Millis) {
    this.#keeper = keeper;
    this.#flow = flow;
    this.#everyMs = everyMs;
    this.#arm();
  }

  timer(name: string): void {
    if (name === 'pong') {
      this.#pong = undefined;
      if (this.#answers) this.#keeper.failed(this.#flow);
      return;
    }
    // §4.4.2 has STUN for UDP. A server that has none would see a broken message; a blank one nobody minds (RFC 3261 §7.5).
    this.#keeper.ping(this.#flow);
    if (this.#flow.transport !== 'udp')
      this.#pong ??= this.#keeper.timers.start(this, 'pong', this.#keeper.now + PONG_MS);
    this.#arm();
  }

  answered(): void {
    this.#answers = true;
    this.heard();
  }

  /** Anything else is as good a sign of life. */
  heard(): void {
    this.#keeper.timers.stop(this.#pong);
    this.#pong = undefined;
  }

  stop(): void {
    this.#keeper.timers.stop(this.#next);
    this.heard();
  }

  /** §4.4.1: "randomly distributed … between 80% and 100%", so that a thousand of them do not come at once. */
  #arm(): void {
    const share = 0.8 + (0.2 * (this.#keeper.random(1)[0] as number)) / 256;
    this.#next = this.#keeper.timers.start(this, 'next', this.#keeper.now + this.#everyMs * share);
  }
}

/** RFC 5626 §3.5, §4.4: paths that are to stay open. */
export class KeepAlives {
  readonly #outside: Outside;
  readonly #byFlow = new Map<string, Kept>();

  constructor(outside: Outside) {
    this.#outside = outside;
  }

  /** From now on at most `everyMs` between two pings; undefined: no more of them. Ends with the connection by itself. */
  keep(flow: Flow, everyMs: Millis | undefined): void {
    this.gone(flow);
    if (everyMs !== undefined) this.#byFlow.set(flow.id, new Kept(this.#outside, flow, everyMs));
  }

  answered(flow: Flow): void {
    this.#byFlow.get(flow.id)?.answered();
  }

  /** Anything at all came by it. */
  heard(flow: Flow): void {
    this.#byFlow.get(flow.id)?.heard();
  }

  gone(flow: Flow): void {
    this.#byFlow.get(flow.id)?.stop();
    this.#byFlow.delete(flow.id);
  }
}

/** Nothing but line ends: a keep-alive. */
export const isBlank = (bytes: Buffer): boolean => {
  for (const b of bytes) if (b !== 13 && b !== 10) return false;
  return true;
};

const STUN_HEADER = 20;
const COOKIE = 0x2112a442;

/**
 * RFC 5626 §4.4.2: a STUN Binding request on the SIP port is a keep-alive, answered by where it came from (RFC 8489 §6.3.1):
 * ```
 * |0 0| type 0x0101 | length | cookie 0x2112A442 | transaction id, 12 bytes, as in the request
 * | 0x0020 XOR-MAPPED-ADDRESS | length | 0, family | port ^ cookie | address ^ cookie and id
 * ```
 * Undefined when it is none. Attributes are not read: nothing is given away that needs them.
 */
export function stunAnswer(bytes: Buffer, { host, port }: Flow): Buffer | undefined {
  if (bytes.length < STUN_HEADER || bytes.readUInt16BE(0) !== 1 || bytes.readUInt32BE(4) !== COOKIE)
    return undefined;
  const address = ipBytes(host);
  if (bytes.readUInt16BE(2) !== bytes.length - STUN_HEADER || address === undefined) return undefined;
  const out = Buffer.alloc(STUN_HEADER + 8 + address.length);
  out.writeUInt16BE(0x0101, 0);
  out.writeUInt16BE(out.length - STUN_HEADER, 2);
  bytes.copy(out, 4, 4, STUN_HEADER);
  out.writeUInt16BE(0x0020, 20);
  out.writeUInt16BE(4 + address.length, 22);
  out[25] = address.length === 4 ? 1 : 2;
  out.writeUInt16BE(port ^ (COOKIE >>> 16), 26);
  for (let i = 0; i < address.length; i++) out[28 + i] = (address[i] as number) ^ (out[4 + i] as number);
  return out;
}
