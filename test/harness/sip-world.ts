import { SipEndpoint } from '../../src/proto/sip/endpoint.ts';
import type { CallEvent, SipInput, SipOutput } from '../../src/proto/sip/events.ts';
import { type Flow, flowTo } from '../../src/proto/sip/flow.ts';
import type { SipConfig } from '../../src/proto/sip/stack.ts';

/** Seeded numbers in [0, 1): the same world every time. */
export function seeded(seed: number): () => number {
  let a = seed >>> 0;
  return () => {
    a = (a + 0x6d2b79f5) >>> 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

type EventOf<T extends CallEvent['type']> = Extract<CallEvent, { type: T }>;

/** One endpoint on the virtual network, with everything it said kept. */
export class SipPeer {
  readonly host: string;
  readonly endpoint: SipEndpoint;
  readonly events: CallEvent[] = [];
  readonly others: SipOutput[] = [];
  /** First lines of what it sent, in order. */
  readonly sent: string[] = [];
  /** The whole of it. */
  readonly texts: string[] = [];
  /** Called for every event: the application. */
  on: (e: CallEvent, peer: SipPeer) => void = () => {};
  readonly #world: SipWorld;

  constructor(world: SipWorld, host: string, config: Partial<SipConfig>) {
    this.#world = world;
    this.host = host;
    const random = (n: number): Buffer =>
      Buffer.from(Array.from({ length: n }, () => Math.floor(world.random() * 256)));
    this.endpoint = new SipEndpoint({ random, local: () => ({ host, port: 5060 }), name: host, ...config });
  }

  feed(input: SipInput | { type: 'tick' }): void {
    this.endpoint.handle(input, this.#world.now);
    for (let out: SipOutput | undefined; (out = this.endpoint.poll()) !== undefined; ) {
      if (out.type === 'send') {
        const text = out.bytes.toString('latin1');
        this.sent.push(text.split('\r\n', 1)[0] as string);
        this.texts.push(text);
        this.#world.carry(this, out.flow, out.bytes);
      } else if ('call' in out && out.type !== 'received' && out.type !== 'snapshot') {
        this.events.push(out);
        this.on(out, this);
      } else this.others.push(out);
    }
  }

  /** All events of one type. */
  all<T extends CallEvent['type']>(type: T): EventOf<T>[] {
    return this.events.filter((e): e is EventOf<T> => e.type === type);
  }
  /** The only one. */
  one<T extends CallEvent['type']>(type: T): EventOf<T> {
    const found = this.all(type);
    if (found.length !== 1) throw new Error(`${found.length} ${type} events at ${this.host}, not one`);
    return found[0] as EventOf<T>;
  }
}

export interface Link {
  readonly seed: number;
  /** Datagrams lost, 0 … 1. */
  readonly loss?: number;
  readonly delayMs?: number;
  /** Added at random: datagrams overtake each other. */
  readonly jitterMs?: number;
}

/** A network with a seed and a virtual clock: minutes of SIP in milliseconds. Streams lose nothing and keep order. */
export class SipWorld {
  now = 0;
  readonly random: () => number;
  /** Last say over every datagram: true drops it. */
  drop: (text: string, from: SipPeer) => boolean = () => false;
  readonly #link: Link;
  readonly #peers = new Map<string, SipPeer>();
  #onTheWay: { at: number; to: SipPeer; input: SipInput }[] = [];

  constructor(link: Link) {
    this.#link = link;
    this.random = seeded(link.seed);
  }

  peer(host: string, config: Partial<SipConfig> = {}): SipPeer {
    const peer = new SipPeer(this, host, config);
    this.#peers.set(host, peer);
    return peer;
  }

  carry(from: SipPeer, flow: Flow, bytes: Buffer): void {
    const to = this.#peers.get(flow.host);
    const { loss = 0, delayMs = 10, jitterMs = 0 } = this.#link;
    const stream = flow.transport === 'tcp';
    if (!stream && (this.random() < loss || this.drop(bytes.toString('latin1'), from))) return;
    if (to === undefined) return;
    const at = this.now + delayMs + (stream ? 0 : this.random() * jitterMs);
    const type = stream ? 'chunk' : 'datagram';
    this.#onTheWay.push({ at, to, input: { type, flow: flowTo(flow.transport, from.host, 5060), bytes } });
  }

  /** A datagram from a stranger. */
  inject(to: SipPeer, text: string, host = '192.0.2.66', port = 5060): void {
    to.feed({ type: 'datagram', flow: flowTo('udp', host, port), bytes: Buffer.from(text, 'latin1') });
  }

  /** Runs until nothing is left to happen, or `ms` have passed. */
  run(ms = Number.POSITIVE_INFINITY): void {
    const end = this.now + ms;
    for (;;) {
      let next = this.#onTheWay[0];
      for (const d of this.#onTheWay) if (next === undefined || d.at < next.at) next = d;
      let late: SipPeer | undefined;
      for (const p of this.#peers.values())
        if (p.endpoint.deadline < (late?.endpoint.deadline ?? Number.POSITIVE_INFINITY)) late = p;
      const deadline = late?.endpoint.deadline ?? Number.POSITIVE_INFINITY;
      const at = Math.min(next?.at ?? Number.POSITIVE_INFINITY, deadline);
      if (at > end || at === Number.POSITIVE_INFINITY) break;
      this.now = Math.max(this.now, at);
      if (next !== undefined && next.at <= deadline) {
        this.#onTheWay = this.#onTheWay.filter(d => d !== next);
        next.to.feed(next.input);
      } else late?.feed({ type: 'tick' });
    }
    if (end !== Number.POSITIVE_INFINITY) this.now = end;
  }
}
