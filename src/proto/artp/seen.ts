import { ReplayWindow } from '../rtp/srtp/replay.ts';

/**
 * Which packets were opened, and the last four bytes of the tag of each. A copy is known by both, without decrypting it:
 * numbers alone are easily guessed, and whoever made up "copies" could tell of losses that never were (the hop trailer
 * behind a copy counts as much as that behind the first). `check` before authentication, `accept` after it.
 */
export class Seen {
  readonly #window: ReplayWindow;
  readonly #size: number;
  /** By slot of the window; made with the first packet, for many flows never get one. */
  #tags: Uint32Array | undefined;

  /** `size` in packets, a multiple of 32. */
  constructor(size: number) {
    this.#window = new ReplayWindow(size);
    this.#size = size;
  }

  /** The highest index accepted; -1 before the first. */
  get highest(): number {
    return this.#window.highest;
  }

  /** A window that has accepted the same so far. */
  window(): ReplayWindow {
    return this.#window.copy();
  }

  /** `forged`: what was opened under this index was not this packet. */
  check(index: number, tag: number): 'new' | 'known' | 'forged' | 'too-old' {
    const verdict = this.#window.check(index);
    if (verdict !== 'replayed') return verdict;
    return this.#tags?.[index % this.#size] === tag ? 'known' : 'forged';
  }

  accept(index: number, tag: number): void {
    this.#window.accept(index);
    this.#tags ??= new Uint32Array(this.#size);
    this.#tags[index % this.#size] = tag;
  }
}

/** The four bytes before `end`: the last of a packet's authentication tag. */
export const tagBefore = (packet: Uint8Array, end: number): number =>
  (((packet[end - 4] as number) << 24) |
    ((packet[end - 3] as number) << 16) |
    ((packet[end - 2] as number) << 8) |
    (packet[end - 1] as number)) >>>
  0;
