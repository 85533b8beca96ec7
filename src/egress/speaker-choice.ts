import type { Millis } from '../kit/core.ts';

/** Who has just been switched to stays so long while still speaking: two who talk at once must not flicker. */
const HOLD_MS = 2000;

/**
 * Whose camera stands for the room: the loudest speaker who has one. The room's own ranking is steady already (6 dB
 * to overtake, the last speaker stays first in silence); here, switches are kept apart.
 */
export class SpeakerChoice {
  #chosen: string | undefined;
  #switchedAt: Millis = Number.NEGATIVE_INFINITY;

  /**
   * `speakers`: loudest first; `cameras`: participants with a picture, the latest last. Undefined: there is none.
   * To be asked again when either changes, and after `holdUntil`.
   */
  choose(speakers: readonly string[], cameras: readonly string[], now: Millis): string | undefined {
    const there = new Set(cameras);
    const current = this.#chosen !== undefined && there.has(this.#chosen) ? this.#chosen : undefined;
    const loudest = speakers.find(p => there.has(p)) ?? current ?? cameras.at(-1);
    if (loudest === current) return current;
    const held = current !== undefined && speakers.includes(current) && now < this.#switchedAt + HOLD_MS;
    if (held) return current;
    if (current !== undefined) this.#switchedAt = now;
    this.#chosen = loudest;
    return loudest;
  }

  /** A switch held back now may be made then. */
  get holdUntil(): Millis {
    return this.#switchedAt + HOLD_MS;
  }
}
