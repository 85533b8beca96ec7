import { type Millis, NEVER } from '../../src/kit/core.ts';

/** Encoders answer some requests by a picture of ten times the size: not more often than this. */
const APART_MS = 300;
/**
 * The request or the picture may be lost, or passed over (linphone's VP8 does so within four pictures of its last
 * reference); who does not answer is asked less and less often.
 */
const AGAIN_MS = 400;
const SELDOM_MS = 8000;

/** Asks for a keyframe until one comes. */
export class KeyframeAsker {
  /** Requests so far. */
  asked = 0;
  /** When `tick` is due. */
  deadline: Millis = NEVER;
  readonly #ask: (now: Millis) => void;
  #askedAt: Millis = Number.NEGATIVE_INFINITY;
  #againMs = AGAIN_MS;

  constructor(ask: (now: Millis) => void) {
    this.#ask = ask;
  }

  /** A keyframe is needed; told again while it is, this does nothing. */
  need(now: Millis): void {
    if (this.deadline !== NEVER) return;
    this.#againMs = AGAIN_MS;
    this.deadline = Math.max(now, this.#askedAt + APART_MS);
    this.tick(now);
  }

  /** One came, or none is needed any more. */
  got(): void {
    this.deadline = NEVER;
  }

  tick(now: Millis): void {
    if (now < this.deadline) return;
    this.asked++;
    this.#askedAt = now;
    this.deadline = now + this.#againMs;
    this.#againMs = Math.min(this.#againMs * 2, SELDOM_MS);
    this.#ask(now);
  }
}
