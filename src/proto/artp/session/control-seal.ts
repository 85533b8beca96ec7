import type { Millis } from '../../../kit/core.ts';
import { epochOf, KIND, ssrcOf } from '../media/ssrc.ts';
import { Seen, tagBefore } from '../seen.ts';
import type { Keys } from './key-ring.ts';

export type ControlJunk =
  | 'short'
  | 'oversize'
  | 'foreign-ssrc'
  | 'unencrypted'
  | 'old-epoch'
  /** A copy of what was opened before. */
  | 'replayed'
  | 'too-old'
  | 'forged';

/** Bytes a sealed compound is longer: tag, E and index. */
export const CONTROL_OVERHEAD = 20;
const MAX_BYTES = 2048;
const WINDOW = 1024;
/** A new epoch comes long before the 31-bit index could come again (RFC 3711 §9.2). */
const MAX_INDEX = 2 ** 31 - 1;
const WORN_INDEX = 2 ** 30;

/** Seals RTCP compounds: one SSRC an epoch; the SRTCP index counts on and begins anew with the next epoch. */
export class ControlSealer {
  readonly #keys: Keys;
  #epoch = -1;
  #index = 0;

  constructor(keys: Keys) {
    this.#keys = keys;
  }

  /** What stands as sender in every packet of ours, for now. */
  get ssrc(): number {
    return ssrcOf(this.#keys.sendEpoch, KIND.rtcp, 0);
  }
  /** Half of the index is used up: time for the next epoch. */
  get isWorn(): boolean {
    return this.#index > WORN_INDEX;
  }

  /** The compound begins with a packet from `ssrc`. Undefined when the numbers of the epoch are used up. */
  seal(compound: Buffer): Buffer | undefined {
    const epoch = this.#keys.sendEpoch;
    if (epoch !== this.#epoch) {
      this.#epoch = epoch;
      this.#index = 0;
    }
    if (this.#index === MAX_INDEX) return undefined;
    this.#index++;
    return this.#keys.sealer('rtcp').sealRtcp(compound, this.ssrc, (0x80000000 | this.#index) >>> 0);
  }
}

export interface OpenedControl {
  readonly plain: Buffer;
  /** Nothing opened before was sealed later. */
  readonly newest: boolean;
}

/** Opens them: what was opened before is told without decrypting, and only an authentic packet changes anything. */
export class ControlOpener {
  readonly #keys: Keys;
  /** By epoch: those the ring still opens. */
  readonly #windows = new Map<number, Seen>();
  #newestEpoch = 0;

  constructor(keys: Keys) {
    this.#keys = keys;
  }

  open(packet: Uint8Array, now: Millis): OpenedControl | ControlJunk {
    const n = packet.length;
    if (n < 8 + CONTROL_OVERHEAD) return 'short';
    if (n > MAX_BYTES) return 'oversize';
    const view = new DataView(packet.buffer, packet.byteOffset, n);
    const ssrc = view.getUint32(4);
    const epoch8 = epochOf(ssrc);
    if (ssrc !== ssrcOf(epoch8, KIND.rtcp, 0)) return 'foreign-ssrc';
    const word = view.getUint32(n - 4);
    if (word < 0x80000000) return 'unencrypted';
    this.#keys.now = now;
    const epoch = this.#keys.near(epoch8);
    const cipher = this.#keys.opener(epoch8, 'rtcp');
    if (epoch === undefined || cipher === undefined) return 'old-epoch';
    const index = word & 0x7fffffff;
    const tag = tagBefore(packet, n - 4);
    const verdict = this.#windows.get(epoch)?.check(index, tag) ?? 'new';
    if (verdict !== 'new') return verdict === 'known' ? 'replayed' : verdict;
    const plain = cipher.openRtcp(packet, ssrc, word);
    if (plain === undefined) return 'forged';
    this.#keys.opened(epoch8, now);
    return { plain, newest: this.#accept(epoch, index, tag) };
  }

  /** True when it is the newest of all. */
  #accept(epoch: number, index: number, tag: number): boolean {
    let window = this.#windows.get(epoch);
    if (window === undefined) {
      window = new Seen(WINDOW);
      this.#windows.set(epoch, window);
      // Not opened any more: one before the epoch before.
      for (const e of this.#windows.keys()) if (e < this.#keys.receiveEpoch - 1) this.#windows.delete(e);
    }
    const newest = epoch >= this.#newestEpoch && index > window.highest;
    this.#newestEpoch = Math.max(this.#newestEpoch, epoch);
    window.accept(index, tag);
    return newest;
  }
}
