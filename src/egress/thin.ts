import type { MediaPacket, Sink } from '../contract.ts';
import type { Millis } from '../kit/core.ts';

/** A keyframe is many times an ordinary picture: what was not used of so long may be spent at once. */
const CREDIT_MS = 1000;
/** A group is begun with so much of that in hand, or it would end at once. */
const BEGIN_SHARE = 0.5;
/** Below this share, pictures nothing refers to are left out. */
const SPARE_SHARE = 0.5;
/** A publisher is asked for a keyframe for the sake of one viewer this often at most. */
const ASK_EVERY_MS = 4000;

/**
 * Less of a stream for a narrow line, where nothing smaller of it can be had: pictures nothing refers to are left out
 * first, then the rest of a group, until the next keyframe. What goes out has no holes but those of the stream itself.
 */
export class Thin {
  readonly #next: Sink<MediaPacket>;
  readonly #bytesPerMs: number;
  readonly #askKeyframe: () => void;
  readonly #out: MediaPacket = { seq: 0, pts: 0, marker: false, payload: new Uint8Array(0) };
  #credit = 0;
  #creditAt: Millis | undefined;
  /** Within a group that is passed on. */
  #going = false;
  #passing = false;
  #pts = Number.NaN;
  #highest = Number.NEGATIVE_INFINITY;
  #lastOut: number | undefined;
  /** From the packet `#from` on, `seq` is less by this much. */
  #shift = 0;
  #from = Number.NEGATIVE_INFINITY;
  #left = false;
  #askedAt: Millis = Number.NEGATIVE_INFINITY;

  /** `askKeyframe` does nothing where the publisher cannot be asked. */
  constructor(next: Sink<MediaPacket>, bps: number, askKeyframe: () => void) {
    this.#next = next;
    this.#bytesPerMs = bps / 8000;
    this.#askKeyframe = askKeyframe;
  }

  /** A new line of packets begins, with a keyframe. */
  restart(): void {
    this.#credit = this.#most;
    this.#going = this.#passing = this.#left = false;
    this.#pts = Number.NaN;
    this.#highest = this.#from = Number.NEGATIVE_INFINITY;
    this.#lastOut = undefined;
    this.#shift = 0;
  }

  readonly sink: Sink<MediaPacket> = (p, now) => {
    if (p.seq <= this.#highest) return this.#late(p, now);
    this.#highest = p.seq;
    if (p.pts !== this.#pts) {
      this.#pts = p.pts;
      this.#passing = this.#passes(p, now);
    }
    if (!this.#passing) {
      this.#left = true;
      return;
    }
    if (this.#left && this.#lastOut !== undefined) {
      this.#shift = p.seq - this.#lastOut - 1;
      this.#from = p.seq;
    }
    this.#left = false;
    this.#pass(p, now);
  };

  tick(now: Millis): void {
    this.#earn(now);
    if (this.#going || this.#credit < this.#most || now < this.#askedAt + ASK_EVERY_MS) return;
    this.#askedAt = now;
    this.#askKeyframe();
  }

  get #most(): number {
    return this.#bytesPerMs * CREDIT_MS;
  }

  #passes(p: MediaPacket, now: Millis): boolean {
    this.#earn(now);
    if (p.frame?.key && this.#credit >= this.#most * BEGIN_SHARE) this.#going = true;
    else if (this.#credit <= 0) this.#going = false;
    if (!this.#going) return false;
    return (p.frame?.temporal ?? 0) === 0 || this.#credit >= this.#most * SPARE_SHARE;
  }

  /** A straggler goes where it belongs, or nowhere. */
  #late(p: MediaPacket, now: Millis): void {
    if (p.seq >= this.#from && !this.#left && p.pts === this.#pts) this.#pass(p, now);
  }

  #pass(p: MediaPacket, now: Millis): void {
    this.#credit -= p.payload.length;
    const { pts, marker, payload, frame } = p;
    const seq = p.seq - this.#shift;
    this.#lastOut = Math.max(seq, this.#lastOut ?? seq);
    this.#next(Object.assign(this.#out, { seq, pts, marker, payload, frame }), now);
  }

  #earn(now: Millis): void {
    const passedMs = now - (this.#creditAt ?? now);
    this.#creditAt = now;
    this.#credit = Math.min(this.#most, this.#credit + passedMs * this.#bytesPerMs);
  }
}
