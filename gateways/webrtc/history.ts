/** How many packets are kept: one second of 20 ms sound, rounded up. A power of two. */
const KEPT = 64;

/** The last packets of one stream as they went out, for NACK: sent again they are the same bytes (RFC 4585 §6.2.1). */
export class History {
  readonly #seqs = new Int32Array(KEPT).fill(-1);
  readonly #packets: Buffer[] = [];
  readonly #lengths = new Int32Array(KEPT);

  put(seq: number, sealed: Uint8Array): void {
    const at = seq & (KEPT - 1);
    let kept = this.#packets[at];
    if (kept === undefined || kept.length < sealed.length)
      kept = this.#packets[at] = Buffer.allocUnsafe(Math.max(256, sealed.length));
    kept.set(sealed);
    this.#seqs[at] = seq;
    this.#lengths[at] = sealed.length;
  }

  /** `seq`: 16 bits, as on the wire. */
  get(seq: number): Uint8Array | undefined {
    const at = seq & (KEPT - 1);
    return this.#seqs[at] === seq ? this.#packets[at]!.subarray(0, this.#lengths[at]) : undefined;
  }
}
