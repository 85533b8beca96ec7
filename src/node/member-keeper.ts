import type { Clock } from '../contract.ts';
import type { SavedMember } from '../room/saved.ts';

/** Members are written down so long after a change: many come at once. */
const SAVE_AFTER_MS = 200;
/** A store that did not take it is asked again. */
const AGAIN_AFTER_MS = 1000;

export interface MemberKeeperOptions {
  readonly clock: Clock;
  /** As they are now. */
  readonly members: () => SavedMember[];
  readonly save: (members: readonly SavedMember[]) => Promise<void>;
  /** Runs when nothing else is read or written of this room. */
  readonly alone: (run: () => Promise<void>) => Promise<void>;
  /** The store has nothing of the room, and must have nothing as long as nobody was seen in it. */
  readonly isNew: boolean;
}

/** Keeps what the store has of one room's members in step with the room, so that a successor knows them. */
export class MemberKeeper {
  readonly #o: MemberKeeperOptions;
  /** What the store has, as far as is known. */
  #written: string | undefined;
  #disarm: (() => void) | undefined;
  #stopped = false;

  constructor(options: MemberKeeperOptions) {
    this.#o = options;
    if (options.isNew) this.#written = textOf([]);
    else this.again();
  }

  /** Something about the members has changed. */
  changed(): void {
    this.#in(SAVE_AFTER_MS);
  }

  /** Another may have written there: it is written anew, whatever it was. */
  again(): void {
    this.#written = undefined;
    this.changed();
  }

  /** The room is not here any more. */
  stop(): void {
    this.#stopped = true;
    this.#disarm?.();
  }

  #in(ms: number): void {
    if (this.#stopped) return;
    const { clock } = this.#o;
    this.#disarm ??= clock.at(clock.now() + ms, () => {
      this.#disarm = undefined;
      this.#o.alone(() => this.#write()).catch(() => this.#in(AGAIN_AFTER_MS));
    });
  }

  async #write(): Promise<void> {
    if (this.#stopped) return;
    const members = this.#o.members();
    const text = textOf(members);
    if (text === this.#written) return;
    this.#written = undefined; // it may be written though the store does not say so
    await this.#o.save(members);
    this.#written = text;
  }
}

/** How much time one who is away has left passes by itself. */
const textOf = (members: readonly SavedMember[]): string =>
  JSON.stringify(members, (key, value) => (key === 'leftMs' ? undefined : value));
