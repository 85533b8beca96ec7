import type { Format, MediaPacket, Millis, StreamStats } from '../../src/contract.ts';

const LEAST_WINDOW_MS = 900;
const FREEZE_TIMES = 3;
const FREEZE_MORE_MS = 150;

/** What the API tells of one stream of pictures. */
export class PictureMeter {
  keyframesAsked = 0;
  #freezes = 0;
  #fps = 0;
  #bps = 0;
  #pictures = 0;
  #bytes = 0;
  #from: Millis | undefined;
  #pictureAt: Millis | undefined;
  /** Running mean of the time between pictures. */
  #usualMs: number | undefined;

  /** Bits a second, lately. */
  get bps(): number {
    return this.#bps;
  }

  packet(p: MediaPacket, now: Millis): void {
    this.#bytes += p.payload.length;
    if (p.frame?.end !== true) return;
    this.#pictures++;
    if (this.#pictureAt !== undefined) this.#gap(now - this.#pictureAt);
    this.#pictureAt = now;
  }

  /** The stream pauses, or another begins: the gap till then is no freeze. */
  restart(): void {
    this.#pictureAt = this.#usualMs = undefined;
  }

  /** About once a second. */
  tick(now: Millis): void {
    const tookMs = now - (this.#from ?? now);
    if (this.#from !== undefined && tookMs < LEAST_WINDOW_MS) return;
    this.#fps = tookMs > 0 ? Math.round((this.#pictures * 10_000) / tookMs) / 10 : 0;
    this.#bps = tookMs > 0 ? Math.round((this.#bytes * 8000) / tookMs) : 0;
    this.#pictures = this.#bytes = 0;
    this.#from = now;
  }

  stats(format: Format | undefined): Partial<StreamStats> {
    const size = /^(\d+)x(\d+)$/.exec(format?.fmtp?.['x-size'] ?? '');
    return {
      ...(size && { width: Number(size[1]), height: Number(size[2]) }),
      fps: this.#fps,
      bitrateBps: this.#bps,
      keyframesAsked: this.keyframesAsked,
      freezes: this.#freezes,
    };
  }

  #gap(ms: number): void {
    const usual = this.#usualMs ?? ms;
    if (ms > usual + FREEZE_MORE_MS && ms > usual * FREEZE_TIMES) this.#freezes++;
    else this.#usualMs = usual + (ms - usual) / 16;
  }
}
