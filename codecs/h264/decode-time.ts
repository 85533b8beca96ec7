/** H.264 allows sixteen reference frames (§A.3.1), so no picture is shown later than sixteen decoded after it. */
const MAX_DEPTH = 16;

/**
 * Decode times out of presentation times given in decode order, for FLV, which wants both. RTP has only the latter.
 *
 * With a reorder depth of n, the decode time of a picture is the smallest of the last n + 1 presentation times
 * (the current one included): for an evenly spaced stream exactly what the encoder had, once n + 1 pictures came.
 * The depth is told by the SPS (`deepen`), and else learned: a picture overtaken by n others shows that it is at
 * least n. Until then (the first group with B-frames) decode times stand still for a moment rather than go back, and
 * a composition time may be negative, which FLV allows.
 * Streams without B-frames have depth 0: decode time is presentation time.
 */
export class DecodeTimes {
  #depth = 0;
  #last = Number.NEGATIVE_INFINITY;
  /** The largest presentation times so far, ascending, at most MAX_DEPTH + 1. */
  readonly #recent: number[] = [];

  /** The stream's SPS says that up to `frames` pictures overtake another (`Sps.reorderFrames`). */
  deepen(frames: number): void {
    this.#depth = Math.max(this.#depth, Math.min(frames, MAX_DEPTH));
  }

  /** Decode time of the picture with this presentation time, same units; never goes back. */
  next(pts: number): number {
    const recent = this.#recent;
    let overtaken = 0;
    for (const other of recent) if (other > pts) overtaken++;
    if (overtaken > this.#depth && overtaken <= MAX_DEPTH) this.#depth = overtaken;
    let at = recent.length;
    while (at > 0 && (recent[at - 1] as number) > pts) at--;
    recent.splice(at, 0, pts);
    if (recent.length > MAX_DEPTH + 1) recent.shift();
    const dts = recent[Math.max(0, recent.length - 1 - this.#depth)] as number;
    this.#last = Math.max(this.#last, Math.min(dts, pts));
    return this.#last;
  }

  /** Presentation times begin anew; the depth stays: it is the encoder's. */
  reset(): void {
    this.#recent.length = 0;
    this.#last = Number.NEGATIVE_INFINITY;
  }
}
