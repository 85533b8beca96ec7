import type { AudioPolicy } from '../media/policy-types.ts';
import { RED_PATTERNS } from '../media/red-patterns.ts';
import { type Bits, bitsFor, countBits, keepIfLater, setBit, shiftedWord } from './bits.ts';
import type { Channel } from './channel.ts';

/** A retransmission takes a round trip and so long to be asked for and sent. */
export const NACK_MS = 10;

/** Shares missing: of all slots that had their full chance, and of the last of them. */
export interface Missing {
  readonly all: number;
  readonly recent: number;
  /** How many these are shares of. */
  readonly slots: number;
}

export const NOTHING_KNOWN: Missing = { all: 0, recent: 0, slots: 0 };

export interface Reach {
  /** Slots a packet may be late. */
  readonly budget: number;
  /** Slots from noticing a loss to the arrival of what is sent again. */
  readonly roundTrip: number;
  /** How many of the last slots are recent. */
  readonly recent: number;
}

/** Plays audio policies over the channels; one for each choice, so that what candidates share is worked out once. */
export class AudioReplay {
  readonly #channels: readonly Channel[];
  readonly #reach: Reach;
  readonly #slots: number;
  /** By path and copies: slots in which all copies were lost. */
  readonly #lost = new Map<number, Bits>();
  #requests: Bits | undefined;

  /** `channels`: one or two, of the same slots. */
  constructor(channels: readonly Channel[], reach: Reach) {
    this.#channels = channels;
    this.#reach = reach;
    this.#slots = channels[0]!.slots;
  }

  missing(p: AudioPolicy): Missing {
    const lost = this.#lostTicks(p);
    const missing = lost.slice();
    for (const distance of RED_PATTERNS[p.pattern]!) keepIfLater(missing, lost, distance);
    if (p.nack) this.#sentAgain(missing, lost, p.copies);
    return this.#shares(missing);
  }

  #lostTicks({ copies, twoPaths }: AudioPolicy): Bits {
    const first = this.#lostOn(0, copies);
    if (!twoPaths) return first;
    const both = first.slice();
    keepIfLater(both, this.#lostOn(1, copies), 0);
    return both;
  }

  #lostOn(path: number, copies: number): Bits {
    const key = path * 8 + copies;
    const known = this.#lost.get(key);
    if (known) return known;
    const channel = this.#channels[path]!;
    const bits = copies > 1 ? this.#lostOn(path, copies - 1).slice() : bitsFor(this.#slots);
    if (copies === 1) {
      for (let slot = 0; slot < this.#slots; slot++) if (channel.lost(slot, 0)) setBit(bits, slot);
    } else keepIfLater(bits, this.#nth(channel, copies - 1), 0);
    this.#lost.set(key, bits);
    return bits;
  }

  /** Slots whose packet `n` was lost. */
  #nth(channel: Channel, n: number): Bits {
    const bits = bitsFor(this.#slots);
    for (let slot = 0; slot < this.#slots; slot++) if (channel.lost(slot, n)) setBit(bits, slot);
    return bits;
  }

  /**
   * A loss is noticed when the next packet comes; a request is made then, and again each round trip. Requests are taken
   * to be lost as media were, half the window away.
   */
  #sentAgain(missing: Bits, lost: Bits, copies: number): void {
    const { budget, roundTrip } = this.#reach;
    const again = this.#nth(this.#channels[0]!, copies);
    const requests = (this.#requests ??= this.#lostRequests());
    const unnoticed = lost.slice();
    for (let after = 1; after + roundTrip <= budget; after++) {
      for (let i = 0; i < missing.length; i++) {
        const noticed = unnoticed[i]! & ~shiftedWord(lost, i, after);
        for (let at = after; at + roundTrip <= budget; at += roundTrip)
          missing[i]! &= ~(noticed & ~shiftedWord(requests, i, at) & ~shiftedWord(again, i, at + roundTrip));
      }
      keepIfLater(unnoticed, lost, after);
    }
  }

  #lostRequests(): Bits {
    const bits = bitsFor(this.#slots);
    const half = this.#slots >> 1;
    for (let slot = 0; slot < this.#slots; slot++)
      if (this.#channels[0]!.lost((slot + half) % this.#slots, 0)) setBit(bits, slot);
    return bits;
  }

  #shares(missing: Bits): Missing {
    const end = this.#slots - this.#reach.budget;
    const share = (from: number): number => countBits(missing, from, end) / Math.max(1, end - from);
    return { all: share(0), recent: share(Math.max(0, end - this.#reach.recent)), slots: end };
  }
}
