import type { Capture } from './capture.ts';
import { by } from './dom.ts';
import { recall } from './place.ts';
import { Player } from './player.ts';
import { type Line, Publisher } from './publisher.ts';
import type { MediaAccess } from './session.ts';
import { Upkeep } from './upkeep.ts';

export interface LinesEvents {
  /** One of them is there, or is no longer. */
  changed(): void;
  /** One of them may break. */
  waver(on: boolean): void;
  gaveUp(why: unknown): void;
}

/** The two media sessions of a stay, each kept up on its own: what one sends, and what one hears and sees. */
export class Lines {
  readonly #capture: Capture;
  readonly #on: LinesEvents;
  #publisher: Upkeep<Publisher> | undefined;
  #player: Upkeep<Player> | undefined;

  constructor(capture: Capture, on: LinesEvents) {
    this.#capture = capture;
    this.#on = on;
  }

  get publisher(): Publisher | undefined {
    return this.#publisher?.it;
  }
  get player(): Player | undefined {
    return this.#player?.it;
  }

  /** From now on as this member. `access` may throw: it is asked again. */
  open(access: () => MediaAccess): void {
    this.close();
    const { changed, waver, gaveUp } = this.#on;
    const line = (lost: () => void): Line => ({ lost, waver });
    const on = { up: changed, down: changed, gaveUp };
    this.#publisher = new Upkeep(
      lost => {
        const tracks = { sound: this.#capture.track('microphone'), picture: this.#capture.track('camera') };
        return Publisher.open('camera', access(), tracks, line(lost));
      },
      {
        ...on,
        up: () => {
          this.refill(); // a device may have been opened or closed meanwhile
          changed();
        },
      },
    );
    this.#player = new Upkeep(lost => Player.open(access(), by('sound'), recall('speaker'), line(lost)), on);
  }

  /** A device was opened or closed: no new session for that. */
  refill(): void {
    this.publisher?.replace('sound', this.#capture.track('microphone'));
    this.publisher?.replace('picture', this.#capture.track('camera'));
  }

  /** The server has ended the session at `url`: a new one, at once. */
  ended(url: string): void {
    this.publisher?.ended(url);
    this.player?.ended(url);
  }

  /** The server wants the session at `url` elsewhere: the old one goes when the new one stands. */
  moves(url: string): void {
    if (this.publisher?.isAt(url)) void this.#publisher?.renew();
    if (this.player?.isAt(url)) void this.#player?.renew();
  }

  /** As the same member: a new session tells its slots anew, and what waited for that need not wait longer. */
  rejoined(): void {
    void this.#player?.renew();
    this.#publisher?.hurry();
  }

  close(): void {
    this.#publisher?.close();
    this.#player?.close();
  }
}
