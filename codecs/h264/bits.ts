/**
 * Reads the bits of a NAL unit, leaving out emulation prevention bytes (H.264 §7.4.1). Behind the end, and after a
 * code that cannot be, everything reads as zero and `bad` is set: a parser checks once, at its end.
 */
export class BitReader {
  bad = false;
  readonly #bytes: Uint8Array;
  #at: number;
  /** `from`: first byte to read. */
  constructor(bytes: Uint8Array, from: number) {
    this.#bytes = bytes;
    this.#at = from * 8;
  }

  /** u(n), n ≤ 32. */
  u(n: number): number {
    let value = 0;
    for (let i = 0; i < n; i++) value = value * 2 + this.#bit();
    return value;
  }

  flag(): boolean {
    return this.#bit() === 1;
  }

  /** ue(v), §9.1; more than `max` is bad. */
  ue(max = 0xffffffff): number {
    let zeros = 0;
    while (this.#bit() === 0) {
      if (this.bad || ++zeros > 31) {
        this.bad = true;
        return 0;
      }
    }
    const value = 2 ** zeros - 1 + this.u(zeros);
    if (value <= max) return value;
    this.bad = true;
    return 0;
  }

  /** se(v), §9.1.1. */
  se(): number {
    const code = this.ue();
    return code & 1 ? (code + 1) / 2 : -code / 2;
  }

  #bit(): number {
    const bytes = this.#bytes;
    if ((this.#at & 7) === 0 && this.#at >= 24) {
      const i = this.#at >> 3;
      if (bytes[i] === 3 && bytes[i - 1] === 0 && bytes[i - 2] === 0) this.#at += 8;
    }
    const byte = bytes[this.#at >> 3];
    if (byte === undefined) {
      this.bad = true;
      return 0;
    }
    return (byte >> (7 - (this.#at++ & 7))) & 1;
  }
}
