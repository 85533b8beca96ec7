import type { Millis } from '../../../kit/core.ts';
import type { PacketCipher } from '../../rtp/srtp/packet-cipher.ts';
import { type Direction, directionCipher, opposite, type Suite } from '../keys.ts';

type Kind = 'rtp' | 'rtcp';

/** What media and control seal and open with; the epochs of the two directions have nothing to do with each other. */
export interface KeyRing {
  /** Of what we seal from now on; its low 8 bits stand in every SSRC of ours. */
  readonly sendEpoch: number;
  /** Of the newest of theirs that was authentic. */
  readonly receiveEpoch: number;
  /** Of `sendEpoch`. */
  sealer(kind: Kind): PacketCipher;
  /** By the top 8 bits of an SSRC of theirs. Undefined: an epoch that is not near. */
  opener(ssrcEpoch8: number, kind: Kind): PacketCipher | undefined;
  /** A packet of this epoch was authentic: the other side may have gone on to it. */
  opened(ssrcEpoch8: number, now: Millis): void;
  /** Seals under the next epoch from now on. False: the other side has not shown yet that it opens this one. */
  nextEpoch(): boolean;
}

/** How long packets of the epoch before are still opened after the first of a new one, ms: longer than any path's delay. */
export const OLD_EPOCH_MS = 5000;

export interface KeyRingOptions {
  readonly secret: Uint8Array;
  readonly suite: Suite;
  /** Of what we seal. */
  readonly direction: Direction;
  /** Makes the ciphers; tests look over its shoulder. */
  readonly cipher?: typeof directionCipher;
}

/** Keys are derived when they are first needed, and forgotten with their epoch. */
export class Keys implements KeyRing {
  readonly #options: KeyRingOptions;
  readonly #sealers: Partial<Record<Kind, PacketCipher>> = {};
  readonly #openers = new Map<number, Partial<Record<Kind, PacketCipher>>>();
  #sendEpoch = 0;
  #confirmed = -1;
  #theirEpoch = 0;
  /** Until when the epoch before theirs is opened. */
  #oldUntil: Millis = 0;
  /** When packets come: the ring's owner says. */
  now: Millis = 0;

  constructor(options: KeyRingOptions) {
    this.#options = options;
  }

  get sendEpoch(): number {
    return this.#sendEpoch;
  }
  get receiveEpoch(): number {
    return this.#theirEpoch;
  }

  sealer(kind: Kind): PacketCipher {
    const { direction } = this.#options;
    return (this.#sealers[kind] ??= this.#make(direction, this.#sendEpoch, kind));
  }

  opener(ssrcEpoch8: number, kind: Kind): PacketCipher | undefined {
    const epoch = this.near(ssrcEpoch8);
    if (epoch === undefined) return undefined;
    let ciphers = this.#openers.get(epoch);
    if (ciphers === undefined) {
      ciphers = {};
      this.#openers.set(epoch, ciphers);
    }
    return (ciphers[kind] ??= this.#make(opposite(this.#options.direction), epoch, kind));
  }

  opened(ssrcEpoch8: number, now: Millis): void {
    this.now = now;
    if (ssrcEpoch8 !== ((this.#theirEpoch + 1) & 255)) return;
    this.#openers.delete(this.#theirEpoch - 1);
    this.#theirEpoch++;
    this.#oldUntil = now + OLD_EPOCH_MS;
  }

  nextEpoch(): boolean {
    // A receiver opens one epoch ahead: two at once, both unheard, and it would never open anything again.
    if (this.#confirmed < this.#sendEpoch) return false;
    this.#sendEpoch++;
    delete this.#sealers.rtp;
    delete this.#sealers.rtcp;
    return true;
  }

  /** The other side answered a packet sealed in `epoch`. */
  confirm(epoch: number): void {
    this.#confirmed = Math.max(this.#confirmed, epoch);
  }

  /** The epoch of theirs that low 8 bits stand for; undefined when it is not near. */
  near(epoch8: number): number | undefined {
    const theirs = this.#theirEpoch;
    if (epoch8 === (theirs & 255)) return theirs;
    if (epoch8 === ((theirs + 1) & 255)) return theirs + 1;
    const old = theirs > 0 && epoch8 === ((theirs - 1) & 255) && this.now < this.#oldUntil;
    return old ? theirs - 1 : undefined;
  }

  #make(direction: Direction, epoch: number, kind: Kind): PacketCipher {
    const { secret, suite, cipher = directionCipher } = this.#options;
    return cipher(secret, direction, epoch, suite, kind);
  }
}
