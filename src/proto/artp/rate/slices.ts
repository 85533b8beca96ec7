import type { Millis } from '../../../kit/core.ts';

export const SLICE_MS = 100;
/** 6.4 s; a power of two. */
const KEPT = 64;

/** Sums over some slices. */
export interface Sums {
  readonly slices: number;
  readonly packets: number;
  readonly bytes: number;
  readonly arrivedPackets: number;
  readonly lostPackets: number;
  readonly arrivedBytes: number;
  /** Rows of lost packets that began. */
  readonly bursts: number;
}

/** What was sent in each tenth of a second and what of that arrived: by the time it was sent, so rate and loss belong together. */
export class Slices {
  readonly #index = new Float64Array(KEPT).fill(-1);
  readonly #packets = new Float64Array(KEPT);
  readonly #bytes = new Float64Array(KEPT);
  readonly #arrivedPackets = new Float64Array(KEPT);
  readonly #lostPackets = new Float64Array(KEPT);
  readonly #arrivedBytes = new Float64Array(KEPT);
  readonly #bursts = new Float64Array(KEPT);

  sent(bytes: number, now: Millis): void {
    const index = Math.floor(now / SLICE_MS);
    const at = index & (KEPT - 1);
    if (this.#index[at] !== index) {
      this.#index[at] = index;
      this.#packets[at] = this.#bytes[at] = 0;
      this.#arrivedPackets[at] = this.#lostPackets[at] = 0;
      this.#arrivedBytes[at] = this.#bursts[at] = 0;
    }
    this.#packets[at]! += 1;
    this.#bytes[at]! += bytes;
  }

  arrived(bytes: number, sentAt: Millis): void {
    const at = this.#find(sentAt);
    if (at < 0) return;
    this.#arrivedPackets[at]! += 1;
    this.#arrivedBytes[at]! += bytes;
  }

  /** `lost` −1: it came after all. */
  lost(sentAt: Millis, lost: 1 | -1): void {
    const at = this.#find(sentAt);
    if (at >= 0) this.#lostPackets[at]! += lost;
  }

  /** A packet was lost, and the one before it was not. */
  burst(sentAt: Millis): void {
    const at = this.#find(sentAt);
    if (at >= 0) this.#bursts[at]! += 1;
  }

  #find(sentAt: Millis): number {
    const index = Math.floor(sentAt / SLICE_MS);
    const at = index & (KEPT - 1);
    return this.#index[at] === index ? at : -1;
  }

  /** Of the slices `from` … `to`, `to` not included; those in which nothing was sent count as slices too. */
  sum(from: number, to: number): Sums {
    const none = { packets: 0, bytes: 0, arrivedPackets: 0, lostPackets: 0, arrivedBytes: 0, bursts: 0 };
    const s = { slices: to - from, ...none };
    for (let index = Math.max(from, to - KEPT); index < to; index++) {
      const at = index & (KEPT - 1);
      if (this.#index[at] !== index) continue;
      s.packets += this.#packets[at]!;
      s.bytes += this.#bytes[at]!;
      s.arrivedPackets += this.#arrivedPackets[at]!;
      s.lostPackets += this.#lostPackets[at]!;
      s.arrivedBytes += this.#arrivedBytes[at]!;
      s.bursts += this.#bursts[at]!;
    }
    return s;
  }
}

export const bpsOf = (bytes: number, slices: number): number =>
  slices > 0 ? (bytes * 8000) / (slices * SLICE_MS) : 0;

/** Share lost of what was told of, 0 of nothing: at very high rates reports leave some out. */
export const lossOf = ({ lostPackets, arrivedPackets }: Sums): number =>
  lostPackets > 0 ? lostPackets / (lostPackets + arrivedPackets) : 0;
