import type { FrameMark, MediaPacket } from '../contract.ts';

const CLOCK_HZ = 90_000;
/** A group of pictures longer than this is not kept: its viewers wait for the next keyframe. */
const MAX_GROUP_MS = 6000;
const MAX_BYTES = 8 * 1024 * 1024;
/** Distance of the pictures in a burst of kept ones: shown as fast as they decode, the last one is of now. */
const BURST_TICKS = CLOCK_HZ / 1000;

interface Kept {
  readonly seq: number;
  readonly pts: number;
  readonly marker: boolean;
  /** Number of its picture. */
  readonly picture: number;
  offset: number;
  readonly length: number;
  readonly frame: FrameMark;
}

export type OutPacket = MediaPacket & { frame: FrameMark };

/** The packets since the last keyframe, numbered without end, so that readers keep their place while it moves on. */
export class PictureGroup {
  /** Number of the first packet kept, and of the one that will come next. */
  first = 0;
  get end(): number {
    return this.first + this.#kept.length;
  }
  /** It begins with a keyframe. */
  whole = false;
  #kept: Kept[] = [];
  #bytes = new Uint8Array(0);
  #used = 0;
  #pictures = 0;

  /** Packet `at` as if all pictures but the newest had come 1 ms apart, right before it. */
  read(at: number, into: OutPacket): void {
    const kept = this.#kept[at - this.first] as Kept;
    const last = this.#kept.at(-1) as Kept;
    into.seq = kept.seq;
    into.pts = last.pts - (last.picture - kept.picture) * BURST_TICKS;
    into.marker = kept.marker;
    into.payload = this.#bytes.subarray(kept.offset, kept.offset + kept.length);
    Object.assign(into.frame, kept.frame);
  }

  /** A packet of a picture that begins with it (`newPicture`) or of the one at hand. */
  add(p: MediaPacket, frame: FrameMark, newPicture: boolean): void {
    if (newPicture) {
      this.#pictures++;
      if (!this.whole) this.#forget(this.#kept.length);
    }
    const first = this.#kept[0];
    const spanMs = first === undefined ? 0 : ((p.pts - first.pts) * 1000) / CLOCK_HZ;
    if (spanMs > MAX_GROUP_MS || this.#used + p.payload.length > MAX_BYTES) return this.clear();
    this.#room(this.#used + p.payload.length);
    this.#bytes.set(p.payload, this.#used);
    this.#kept.push({
      seq: p.seq,
      pts: p.pts,
      marker: p.marker,
      picture: this.#pictures,
      offset: this.#used,
      length: p.payload.length,
      frame: { ...frame },
    });
    this.#used += p.payload.length;
  }

  /** The picture of `pts`, whose packet at hand is not added yet, is a keyframe: nothing before it is needed. */
  begin(pts: number): void {
    let from = this.#kept.length;
    while (from > 0 && this.#kept[from - 1]?.pts === pts) from--;
    this.#forget(from);
    this.whole = true;
  }

  clear(): void {
    this.whole = false;
    this.#forget(this.#kept.length);
  }

  /** Drops everything before entry `from`. */
  #forget(from: number): void {
    const base = this.#kept[from]?.offset ?? this.#used;
    this.#bytes.copyWithin(0, base, this.#used);
    this.#used -= base;
    this.#kept = this.#kept.slice(from);
    for (const kept of this.#kept) kept.offset -= base;
    this.first += from;
  }

  #room(bytes: number): void {
    if (bytes <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(bytes, this.#bytes.length * 2, 64 * 1024));
    grown.set(this.#bytes.subarray(0, this.#used));
    this.#bytes = grown;
  }
}
