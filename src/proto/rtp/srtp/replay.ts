/**
 * Sliding replay window (RFC 3711 §3.3.2) over packet indexes that never wrap. `check` before authentication,
 * `accept` after it: a forged packet never moves the window.
 */
export class ReplayWindow {
  #highest = -1;
  readonly #size: number;
  readonly #bits: Uint32Array;

  /** `size` in packets, rounded up to a multiple of 32. */
  constructor(size: number) {
    this.#bits = new Uint32Array(Math.ceil(size / 32));
    this.#size = this.#bits.length * 32;
  }

  /** The highest index accepted; -1 before the first. */
  get highest(): number {
    return this.#highest;
  }

  /** Another that has accepted the same so far. */
  copy(): ReplayWindow {
    const other = new ReplayWindow(this.#size);
    other.#highest = this.#highest;
    other.#bits.set(this.#bits);
    return other;
  }

  check(index: number): 'new' | 'replayed' | 'too-old' {
    if (index > this.#highest) return 'new';
    if (index <= this.#highest - this.#size) return 'too-old';
    const bit = index % this.#size;
    return (this.#bits[bit >>> 5]! >>> (bit & 31)) & 1 ? 'replayed' : 'new';
  }

  accept(index: number): void {
    if (index > this.#highest) {
      // What the window slides over was of packets one size older: forget it.
      if (index - this.#highest >= this.#size) this.#bits.fill(0);
      else for (let i = this.#highest + 1; i < index; i++) this.#clear(i % this.#size);
      this.#highest = index;
    }
    const bit = index % this.#size;
    this.#bits[bit >>> 5]! |= 1 << (bit & 31);
  }

  #clear(bit: number): void {
    this.#bits[bit >>> 5]! &= ~(1 << (bit & 31));
  }
}
