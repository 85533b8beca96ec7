import { Publisher } from './publisher.ts';
import { Refused } from './refused.ts';
import type { MediaAccess } from './session.ts';
import { Upkeep } from './upkeep.ts';
import { sentenceOf, words } from './words.ts';

/** One's own shared screen, a WHIP session of its own. */
export class Sharing {
  readonly #access: () => MediaAccess;
  readonly #changed: (on: boolean) => void;
  readonly #trouble: (sentence: string) => void;
  #stream: MediaStream | undefined;
  #publisher: Upkeep<Publisher> | undefined;
  #asking = false;

  constructor(
    access: () => MediaAccess,
    changed: (on: boolean) => void,
    trouble: (sentence: string) => void,
  ) {
    this.#access = access;
    this.#changed = changed;
    this.#trouble = trouble;
  }

  get on(): boolean {
    return this.#stream !== undefined;
  }

  async toggle(): Promise<void> {
    if (this.on) return this.stop();
    if (this.#asking) return;
    this.#asking = true;
    try {
      this.#begin(await navigator.mediaDevices.getDisplayMedia({ video: { frameRate: 15 }, audio: true }));
    } catch (error) {
      // Whoever closes the browser's own question has changed his mind: no trouble.
      if ((error as DOMException).name !== 'NotAllowedError') this.#trouble(words.cannotShare);
    } finally {
      this.#asking = false;
    }
  }

  /** As `Lines` has them. */
  ended(url: string): void {
    this.#publisher?.it?.ended(url);
  }
  moves(url: string): void {
    if (this.#publisher?.it?.isAt(url)) void this.#publisher.renew();
  }

  /** Idempotent. */
  stop(): void {
    const stream = this.#stream;
    if (stream === undefined) return;
    this.#stream = undefined;
    this.#publisher?.close();
    for (const track of stream.getTracks()) {
      track.onended = null;
      track.stop();
    }
    this.#changed(false);
  }

  /** One is a member again: what waited for that need not wait longer. */
  rejoined(): void {
    this.#publisher?.hurry();
  }

  #begin(stream: MediaStream): void {
    this.#stream = stream;
    const [picture] = stream.getVideoTracks();
    const [sound] = stream.getAudioTracks();
    if (picture === undefined) return;
    picture.contentHint = 'detail'; // letters before movement
    picture.onended = () => this.stop(); // the browser has a button of its own
    this.#publisher = new Upkeep(
      lost => Publisher.open('screen', this.#access(), { sound, picture }, { lost, waver() {} }),
      { up: () => this.#started(), down() {}, gaveUp: why => this.#failed(why) },
    );
    this.#changed(true);
  }

  #started(): void {
    if (this.#publisher?.it?.takesPicture === false) this.#failed(undefined);
  }

  #failed(why: unknown): void {
    this.stop();
    this.#trouble(why instanceof Refused ? sentenceOf(why.reason, why.message) : words.noPictures);
  }
}
