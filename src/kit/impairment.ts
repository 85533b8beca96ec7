import type { Core, Millis, Tick } from './core.ts';
import { DueQueue } from './due.ts';
import { type Random, seededRandom } from './random.ts';

/** How a link is worse than a good one, one direction. Plain JSON; absent: not at all. Shares are 0–1. */
export interface Impairment {
  /** Share of the packets that is lost. */
  readonly loss?: number;
  /**
   * Mean length of a burst of losses (Gilbert's model); absent: every packet has its own luck. In ms: the link is broken
   * for that long, however many packets meet it, so that copies sent together share their fate.
   */
  readonly burst?: { readonly ms: number } | { readonly packets: number };
  readonly delayMs?: number;
  /** Up to so much more or less than `delayMs`, most by little (triangular); the sum is never below 0. */
  readonly jitterMs?: number;
  /** What jitter does to the order: `kept` (default), as in a queue, or `free`. */
  readonly order?: 'kept' | 'free';
  /** Share of the packets that is held back by `REORDER_MS`, so that later ones overtake it. */
  readonly reorder?: number;
  /** Share of the packets that arrives twice. */
  readonly duplicate?: number;
  /** The link's rate. What is too much waits for at most `queueMs` (default `QUEUE_MS`), the rest is dropped at its tail. */
  readonly rateBps?: number;
  readonly queueMs?: number;
  /**
   * A policer instead of a queue: what passes is not delayed, what is beyond the rate by more than `queueMs` of it is dropped
   * (a token bucket that holds so much). Tests only, a drill has no word for it.
   */
  readonly policed?: boolean;
  /** Nothing passes from … to …, ms since these settings were set. */
  readonly outages?: readonly { readonly fromMs: number; readonly toMs: number }[];
}

export const REORDER_MS = 40;
const QUEUE_MS = 200;

export type LinkInput<T> =
  /** `bytes`: what counts against the rate. */
  | { readonly type: 'packet'; readonly packet: T; readonly bytes: number }
  | { readonly type: 'set'; readonly impairment: Impairment };

export interface LinkStats {
  /** Handed in. */
  readonly packets: number;
  readonly bytes: number;
  /** By chance or in an outage. */
  readonly lost: number;
  /** No room in the queue of a link with a rate, or too much held already. */
  readonly dropped: number;
  readonly duplicated: number;
}

/** More than a second of a fast link; so much may wait at most, whoever sends it. */
const MAX_HELD = 20_000;
const MAX_HELD_BYTES = 16 * 1024 * 1024;

/**
 * One direction of a bad link: packets go in, and come out late, twice or not at all. Sans I/O; the same seed, packets
 * and times give the same fate. Every packet draws the same number of random values, so that a setting that changes in
 * flight does not change the luck of another one.
 */
export class ImpairedLink<T> implements Core<LinkInput<T>, T> {
  readonly #random: Random;
  readonly #bursts: Bursts;
  readonly #held = new DueQueue<{ readonly packet: T; readonly bytes: number }>();
  #heldBytes = 0;
  #impairment: Impairment;
  #setAt: Millis | undefined;
  #now: Millis = 0;
  /** When the link with a rate has sent all it took. */
  #freeAt: Millis = 0;
  #lastOut: Millis = 0;
  #packets = 0;
  #bytes = 0;
  #lost = 0;
  #dropped = 0;
  #duplicated = 0;

  constructor(seed: number, impairment: Impairment = {}) {
    this.#random = seededRandom(seed);
    this.#bursts = new Bursts();
    this.#impairment = impairment;
  }

  get impairment(): Impairment {
    return this.#impairment;
  }
  get deadline(): Millis {
    return this.#held.deadline;
  }
  get stats(): LinkStats {
    return {
      packets: this.#packets,
      bytes: this.#bytes,
      lost: this.#lost,
      dropped: this.#dropped,
      duplicated: this.#duplicated,
    };
  }

  handle(input: LinkInput<T> | Tick, now: Millis): void {
    this.#now = now;
    this.#setAt ??= now;
    if (input.type === 'packet') this.#pass(input.packet, input.bytes, now);
    else if (input.type === 'set') {
      this.#impairment = input.impairment;
      this.#setAt = now;
    }
  }

  /** The next packet that has arrived by now. */
  poll(): T | undefined {
    const out = this.#held.take(this.#now);
    if (out === undefined) return undefined;
    this.#heldBytes -= out.bytes;
    return out.packet;
  }

  #pass(packet: T, bytes: number, now: Millis): void {
    const { loss = 0, burst, duplicate = 0, reorder = 0 } = this.#impairment;
    const [lot, wobble, twice, held, wobbleOfCopy] = [
      this.#random(),
      this.#random() + this.#random() - 1,
      this.#random(),
      this.#random(),
      this.#random() + this.#random() - 1,
    ];
    this.#packets++;
    this.#bytes += bytes;
    const through = this.#queue(bytes, now);
    if (through === undefined) {
      this.#dropped++;
      return;
    }
    // Behind the queue: what is lost has used the rate, as on a radio link behind a modem.
    if (this.#bursts.isLost(lot, loss, burst, now) || this.#isOut(now)) {
      this.#lost++;
      return;
    }
    this.#hold(packet, bytes, this.#arrival(through, wobble, held < reorder));
    if (twice >= duplicate) return;
    this.#duplicated++;
    this.#hold(packet, bytes, this.#arrival(through, wobbleOfCopy, false));
  }

  /** When the packet has left a link with a rate; undefined: no room in its queue. */
  #queue(bytes: number, now: Millis): Millis | undefined {
    const { rateBps, queueMs = QUEUE_MS, policed = false } = this.#impairment;
    if (rateBps === undefined) return now;
    const begins = Math.max(now, this.#freeAt);
    if (begins - now > queueMs) return undefined;
    this.#freeAt = begins + (bytes * 8000) / rateBps;
    return policed ? now : this.#freeAt;
  }

  #isOut(now: Millis): boolean {
    const at = now - this.#setAt!;
    return this.#impairment.outages?.some(o => at >= o.fromMs && at < o.toMs) ?? false;
  }

  #arrival(through: Millis, wobble: number, isHeldBack: boolean): Millis {
    const { delayMs = 0, jitterMs = 0, order = 'kept' } = this.#impairment;
    const at = through + Math.max(0, delayMs + wobble * jitterMs);
    if (isHeldBack) return at + REORDER_MS;
    if (order === 'free') return at;
    this.#lastOut = Math.max(this.#lastOut, at);
    return this.#lastOut;
  }

  #hold(packet: T, bytes: number, at: Millis): void {
    if (this.#held.size >= MAX_HELD || this.#heldBytes + bytes > MAX_HELD_BYTES) {
      this.#dropped++;
      return;
    }
    this.#heldBytes += bytes;
    this.#held.push(at, { packet, bytes });
  }
}

/**
 * Who is lost, with one random value a packet. Bursts: a two-state Markov chain (Gilbert, 1960), in continuous time when
 * their length is in ms: the probability to be in the broken state after `t` ms is exact, whatever the spacing.
 */
class Bursts {
  #isBad: boolean | undefined;
  #at: Millis = 0;

  isLost(lot: number, loss: number, burst: Impairment['burst'], now: Millis): boolean {
    if (burst === undefined || loss <= 0 || loss >= 1) {
      this.#isBad = undefined;
      return lot < loss;
    }
    const elapsedMs = now - this.#at;
    this.#at = now;
    this.#isBad = lot < this.#chance(loss, burst, elapsedMs);
    return this.#isBad;
  }

  #chance(loss: number, burst: NonNullable<Impairment['burst']>, elapsedMs: number): number {
    if (this.#isBad === undefined) return loss;
    if ('ms' in burst) {
      // Left at 1/burst a ms and entered so often that the share of broken time is `loss`.
      const kept = Math.exp(-Math.max(0, elapsedMs) / (Math.max(burst.ms, 0.001) * (1 - loss)));
      return loss + ((this.#isBad ? 1 : 0) - loss) * kept;
    }
    // A burst cannot be so short that the share of losses would need gaps of less than one packet.
    const packets = Math.max(burst.packets, loss / (1 - loss), 1);
    return this.#isBad ? 1 - 1 / packets : loss / (1 - loss) / packets;
  }
}
