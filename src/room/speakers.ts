import { type Millis, NEVER } from '../kit/core.ts';
import { SpeakerDetector } from '../media/speaker-detector.ts';

/** How often they are looked at again. */
const EVERY_MS = 200;

/** Who speaks in a room, asked again and again while there is sound. Participant ids, loudest first. */
export class Speakers {
  /** Noted by the media flow, packet by packet. */
  readonly detector = new SpeakerDetector();
  #deadline: Millis = NEVER;
  #ranked: readonly string[] = [];
  #speaking: readonly string[] = [];

  /** The last speaker stays first when all fall silent: pictures do not switch in silence. */
  get ranked(): readonly string[] {
    return this.#ranked;
  }

  get deadline(): Millis {
    return this.#deadline;
  }

  /** There is sound. */
  wake(now: Millis): void {
    if (this.#deadline === NEVER) this.#deadline = now + EVERY_MS;
  }

  rest(): void {
    this.#deadline = NEVER;
  }

  /** What has changed, when the deadline has come. */
  tick(now: Millis): { readonly ranked?: readonly string[]; readonly speaking?: readonly string[] } {
    if (now < this.#deadline) return {};
    this.#deadline = now + EVERY_MS;
    const ranked = this.detector.rank(now);
    const speaking = this.detector.speaking(now);
    const changed = {
      ...(!same(ranked, this.#ranked) && { ranked }),
      ...(!same(speaking, this.#speaking) && { speaking }),
    };
    this.#ranked = ranked;
    this.#speaking = speaking;
    return changed;
  }
}

const same = (a: readonly string[], b: readonly string[]): boolean =>
  a.length === b.length && a.every((x, i) => x === b[i]);
