import { openPattern, type Pattern, type PatternPicture } from '../../codecs/video/pattern.ts';
import type { Clock, MediaPacket, Millis, Sink } from '../../src/contract.ts';
import { Refusal } from '../../src/kit/refusal.ts';

const FPS = 15;
/** Further behind than this (a stalled process), pictures are left out. */
const MAX_BEHIND_MS = 1000;

export interface PictureOptions {
  readonly width: number;
  readonly height: number;
  readonly colour: Parameters<typeof openPattern>[0]['colour'];
}

/** A moving test pattern in H.264 with the time of day burned in. */
export class DemoPicture {
  readonly #pattern: Pattern;
  #disarm = (): void => {};

  /** Undefined where pictures cannot be encoded: `say` is told why, and the member has its sound. */
  static async open(o: PictureOptions, say: (text: string) => void): Promise<DemoPicture | undefined> {
    try {
      return new DemoPicture(await openPattern({ ...o, codec: 'H264', fps: FPS, bitrateBps: 400_000 }));
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      say(error.message);
      return undefined;
    }
  }

  private constructor(pattern: Pattern) {
    this.#pattern = pattern;
  }

  /** As RTP payloads into `sink`, until `close`. */
  send(clock: Clock, sink: Sink<MediaPacket>): void {
    this.#pace(clock, now => void this.#pattern.send(timeOfDay(), sink, now));
  }

  /** As NAL units. */
  show(clock: Clock, sink: (picture: PatternPicture) => void): void {
    this.#pace(clock, () => sink(this.#pattern.next(timeOfDay())));
  }

  requestKey(): void {
    this.#pattern.requestKey();
  }

  /** Idempotent. */
  close(): void {
    this.#disarm();
    this.#disarm = () => {};
    this.#pattern.close();
  }

  #pace(clock: Clock, next: (now: Millis) => void): void {
    let dueAt = clock.now();
    const tick = (): void => {
      const now = clock.now();
      if (now - dueAt > MAX_BEHIND_MS) dueAt = now;
      while (dueAt <= now) {
        next(now);
        dueAt += 1000 / FPS;
      }
      this.#disarm = clock.at(dueAt, tick);
    };
    tick();
  }
}

function timeOfDay(): Millis {
  const now = new Date();
  return now.getTime() - new Date(now.getFullYear(), now.getMonth(), now.getDate()).getTime();
}
