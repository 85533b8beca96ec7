import type { Millis } from '../../../kit/core.ts';

/** A power of two: packets compared. */
const KEPT = 64;
const WINDOW_MS = 1000;
const LEAST_MS = 200;

/** How much longer packets took to arrive than to be sent: a line that is full spreads them out by just its shortage. */
export class Stretch {
  /** Mean change of delay from packet to packet, ms: what is jitter and no queue. */
  jitterMs = 0;
  readonly #sent = new Float64Array(KEPT);
  readonly #arrived = new Float64Array(KEPT);
  #count = 0;

  packet(sent: Millis, arrived: Millis): void {
    if (this.#count > 0) {
      const before = (this.#count - 1) & (KEPT - 1);
      const change = Math.abs(arrived - this.#arrived[before]! - (sent - this.#sent[before]!));
      if (change < WINDOW_MS) this.jitterMs += (change - this.jitterMs) / 16;
    }
    const at = this.#count++ & (KEPT - 1);
    this.#sent[at] = sent;
    this.#arrived[at] = arrived;
  }

  /** 1 when nothing is known. */
  get ratio(): number {
    const newest = this.#count - 1;
    if (newest < 1) return 1;
    let from = newest;
    const sent = this.#sent[newest & (KEPT - 1)]!;
    while (from > 0 && newest - from < KEPT - 1 && sent - this.#sent[(from - 1) & (KEPT - 1)]! < WINDOW_MS)
      from--;
    const sentMs = sent - this.#sent[from & (KEPT - 1)]!;
    if (sentMs < LEAST_MS) return 1;
    const arrivedMs = this.#arrived[newest & (KEPT - 1)]! - this.#arrived[from & (KEPT - 1)]!;
    return Math.min(10, Math.max(0.5, arrivedMs / sentMs));
  }
}
