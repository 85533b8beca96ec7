/**
 * Redundant audio data, RFC 2198: a packet repeats earlier ones. All block headers come first, then all data; the
 * primary is last and says neither offset nor length.
 * ```
 *  0                   1                   2                   3
 *  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 * |1|  block PT   |  timestamp offset (14)    | block length (10) |  × redundant blocks
 * |0| primary PT  |
 * |  data of the redundant blocks, in their order, then primary   |
 * ```
 */
export const RED_BLOCK_HEADER_BYTES = 4;
export const RED_PRIMARY_HEADER_BYTES = 1;
/** How far back a block may lie, timestamp units. */
export const RED_MAX_OFFSET = 0x3fff;
/** How long a block may be, bytes. */
export const RED_MAX_BLOCK = 0x3ff;
/** More in one packet is junk: no encoder writes so many. */
const MAX_BLOCKS = 16;

export type RedJunk = 'red-short' | 'red-blocks';

/** Gathers the blocks of one packet, borrowed until `write`. */
export class RedWriter {
  #blocks = 0;
  readonly #types = new Uint8Array(MAX_BLOCKS);
  readonly #offsets = new Uint16Array(MAX_BLOCKS);
  readonly #bytes: Uint8Array[] = new Array(MAX_BLOCKS).fill(new Uint8Array(0));
  readonly #starts = new Float64Array(MAX_BLOCKS);
  readonly #lengths = new Uint16Array(MAX_BLOCKS);

  begin(): void {
    this.#blocks = 0;
  }

  /** The next block, oldest first: `length` of `bytes` from `start`. Throws RangeError beyond the limits above: a bug of the caller. */
  add(type: number, timestampOffset: number, bytes: Uint8Array, start: number, length: number): void {
    const i = this.#blocks;
    if (i === MAX_BLOCKS || timestampOffset > RED_MAX_OFFSET || timestampOffset < 0 || length > RED_MAX_BLOCK)
      throw new RangeError(
        `RED holds no block ${i} of ${length} bytes, ${timestampOffset} before the primary`,
      );
    this.#types[i] = type;
    this.#offsets[i] = timestampOffset;
    this.#bytes[i] = bytes;
    this.#starts[i] = start;
    this.#lengths[i] = length;
    this.#blocks++;
  }

  /** Writes blocks and primary from the start of `out`; returns the length. */
  write(out: Uint8Array, primaryType: number, primary: Uint8Array): number {
    let at = 0;
    for (let i = 0; i < this.#blocks; i++) {
      const offset = this.#offsets[i] as number;
      const length = this.#lengths[i] as number;
      out[at++] = 0x80 | (this.#types[i] as number);
      out[at++] = offset >>> 6;
      out[at++] = ((offset & 0x3f) << 2) | (length >>> 8);
      out[at++] = length & 255;
    }
    out[at++] = primaryType & 0x7f;
    for (let i = 0; i < this.#blocks; i++) {
      const bytes = this.#bytes[i] as Uint8Array;
      const start = this.#starts[i] as number;
      const end = start + (this.#lengths[i] as number);
      for (let from = start; from < end; from++) out[at++] = bytes[from] as number;
    }
    out.set(primary, at);
    return at + primary.length;
  }
}

/** Reused for every packet: `read` overwrites all fields. Columns hold `blocks` redundant blocks. */
export class RedView {
  blocks = 0;
  readonly types = new Uint8Array(MAX_BLOCKS);
  /** How much older than the packet, timestamp units. */
  readonly offsets = new Uint16Array(MAX_BLOCKS);
  readonly starts = new Uint16Array(MAX_BLOCKS);
  readonly lengths = new Uint16Array(MAX_BLOCKS);
  primaryType = 0;
  primaryStart = 0;

  /** Reads `b` from `start` to `end`, an RTP payload; returns the reason when it is junk. Never throws. */
  read(b: Uint8Array, start: number, end: number): RedJunk | undefined {
    let at = start;
    let blocks = 0;
    let bytes = 0;
    for (; at < end && (b[at] as number) & 0x80; at += RED_BLOCK_HEADER_BYTES) {
      if (at + RED_BLOCK_HEADER_BYTES > end) return 'red-short';
      if (blocks === MAX_BLOCKS) return 'red-blocks';
      const middle = b[at + 2] as number;
      const length = ((middle & 3) << 8) | (b[at + 3] as number);
      this.types[blocks] = (b[at] as number) & 0x7f;
      this.offsets[blocks] = ((b[at + 1] as number) << 6) | (middle >>> 2);
      this.lengths[blocks] = length;
      bytes += length;
      blocks++;
    }
    if (at >= end || at + 1 + bytes > end) return 'red-short';
    this.primaryType = b[at++] as number;
    for (let i = 0; i < blocks; i++) {
      this.starts[i] = at;
      at += this.lengths[i] as number;
    }
    this.primaryStart = at;
    this.blocks = blocks;
    return undefined;
  }
}
