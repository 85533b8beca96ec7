import type { Format } from '../../contract.ts';
import type { Millis } from '../../kit/core.ts';

const WINDOW_MS = 1000;
/** A freeze: no new picture for this many times as long as usual, and `SLACK_MS` more. */
const TIMES = 3;
const SLACK_MS = 150;

/** Pictures and bits a second of one stream, and how often it stood still. No allocation per packet. */
export class PictureMeter {
  freezes = 0;
  #from: Millis = Number.NEGATIVE_INFINITY;
  #pictures = 0;
  #bytes = 0;
  #fps = 0;
  #bitrateBps = 0;
  #pictureAt: Millis | undefined;
  /** Mean distance of pictures, ms; 0 before it is known. */
  #usualMs = 0;

  /** `end`: the last packet of its picture. */
  packet(bytes: number, end: boolean, now: Millis): void {
    if (now >= this.#from + WINDOW_MS) this.#turn(now);
    this.#bytes += bytes;
    if (!end) return;
    this.#pictures++;
    if (this.#pictureAt !== undefined) {
      const distanceMs = now - this.#pictureAt;
      if (this.#usualMs > 0 && distanceMs > TIMES * this.#usualMs + SLACK_MS) this.freezes++;
      else this.#usualMs += (distanceMs - this.#usualMs) * (this.#usualMs === 0 ? 1 : 1 / 16);
    }
    this.#pictureAt = now;
  }

  /** Another source, or none: the pause up to its first picture is no freeze. */
  restart(): void {
    this.#pictureAt = undefined;
    this.#usualMs = 0;
  }

  rates(now: Millis): { fps: number; bitrateBps: number } {
    if (now >= this.#from + 2 * WINDOW_MS) return { fps: 0, bitrateBps: 0 };
    return { fps: this.#fps, bitrateBps: this.#bitrateBps };
  }

  #turn(now: Millis): void {
    const seconds = Math.min((now - this.#from) / 1000, (2 * WINDOW_MS) / 1000);
    this.#fps = Math.round((this.#pictures / seconds) * 10) / 10;
    this.#bitrateBps = Math.round((this.#bytes * 8) / seconds);
    this.#from = now;
    this.#pictures = this.#bytes = 0;
  }
}

/** Width and height as a track's format tells them (`x-size`), if it does. */
export function sizeOf(f: Format | undefined): { width: number; height: number } | undefined {
  const m = /^(\d+)x(\d+)$/.exec(f?.fmtp?.['x-size'] ?? '');
  return m === null ? undefined : { width: Number(m[1]), height: Number(m[2]) };
}
