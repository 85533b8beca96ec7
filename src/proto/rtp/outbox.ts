import { type Millis, NEVER } from '../../kit/core.ts';

/** Packets kept. At full size some 600 KB, more than a second of what legs are sent. A power of two. */
const KEPT = 512;
const KEPT_MS = 1000;
const SLOT_BYTES = 1500;
/** Pictures come in bursts: this many bytes go at once, whatever the pace. */
const BURST_BYTES = 12_000;

/**
 * Packets of one stream as they go out: paced, so that a burst (a keyframe, a whole group of pictures) does not drown
 * in a narrow link, and kept for a second, so that a lost one can be sent again as it was (RFC 4585 §6.2.1).
 *
 * Fill what `slot` gives, `put` it, then send what `due` gives.
 */
export class Outbox {
  readonly #slots: (Buffer | undefined)[] = new Array(KEPT).fill(undefined);
  readonly #lengths = new Uint16Array(KEPT);
  readonly #putAt = new Float64Array(KEPT);
  /** Of a sequence number's low bits: the position it was put at. */
  readonly #positions = new Float64Array(KEPT).fill(-1);
  /** Positions put and sent so far. */
  #put = 0;
  #sent = 0;
  #bytesPerMs: number;
  #credit = BURST_BYTES;
  #creditAt: Millis = 0;

  /** `paceBps`: bits a second at most, over anything longer than a burst. */
  constructor(paceBps: number) {
    this.#bytesPerMs = paceBps / 8000;
  }

  set paceBps(bps: number) {
    this.#bytesPerMs = bps / 8000;
  }

  /** Packets that wait. */
  get waiting(): number {
    return this.#put - this.#sent;
  }

  /** No room for another: let `due` have its time, or `clear`. */
  get full(): boolean {
    return this.waiting >= KEPT - 1;
  }

  /** What the next packet is to be written into. Not while `full`. */
  slot(): Buffer {
    const at = this.#put & (KEPT - 1);
    return (this.#slots[at] ??= Buffer.allocUnsafeSlow(SLOT_BYTES));
  }

  /** The slot holds an RTP packet of this length. */
  put(length: number, now: Millis): void {
    const at = this.#put & (KEPT - 1);
    this.#lengths[at] = length;
    this.#putAt[at] = now;
    this.#positions[seqIn(this.#slots[at] as Buffer) & (KEPT - 1)] = this.#put++;
  }

  /** The next packet whose time has come, borrowed; undefined: wait until `deadline`. */
  due(now: Millis): Uint8Array | undefined {
    if (this.#sent === this.#put) return undefined;
    this.#credit = Math.min(BURST_BYTES, this.#credit + (now - this.#creditAt) * this.#bytesPerMs);
    this.#creditAt = now;
    if (this.#credit <= 0) return undefined;
    const at = this.#sent++ & (KEPT - 1);
    const length = this.#lengths[at] as number;
    this.#credit -= length;
    return (this.#slots[at] as Buffer).subarray(0, length);
  }

  get deadline(): Millis {
    if (this.#sent === this.#put) return NEVER;
    return this.#creditAt + Math.max(1, -this.#credit / this.#bytesPerMs);
  }

  /** A packet of the last second, to be sent again; undefined when it is not here (or still waits for its turn). */
  again(seq: number, now: Millis): Uint8Array | undefined {
    const position = this.#positions[seq & (KEPT - 1)] as number;
    if (position < 0 || position >= this.#sent || position < this.#put - KEPT) return undefined;
    const at = position & (KEPT - 1);
    const bytes = this.#slots[at] as Buffer;
    if (seqIn(bytes) !== seq || now - (this.#putAt[at] as number) > KEPT_MS) return undefined;
    return bytes.subarray(0, this.#lengths[at]);
  }

  /** What waits is not sent any more. */
  clear(): void {
    for (; this.#put > this.#sent; this.#put--)
      this.#positions[seqIn(this.#slots[(this.#put - 1) & (KEPT - 1)] as Buffer) & (KEPT - 1)] = -1;
  }
}

/** RFC 3550 §5.1: behind flags and payload type. */
const seqIn = (rtp: Buffer): number => rtp.readUInt16BE(2);
