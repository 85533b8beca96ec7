import { Refused } from './refused.ts';

const PAUSES_MS = [500, 1000, 2000, 4000, 8000];
/** Without success for so long, the other side is given up: once it was there, the seat is kept (rooms.sessionKeep). */
const PATIENCE_MS = { first: 10_000, later: 120_000 };

export interface Closable {
  close(): void;
}

export interface UpkeepEvents<T> {
  up(it: T): void;
  down(): void;
  /** It will not come back. `why` is the last thing that went wrong. */
  gaveUp(why: unknown): void;
}

/** Keeps one connection up: opens it, and opens it again when it was lost, with growing pauses. */
export class Upkeep<T extends Closable> {
  readonly #open: (lost: () => void) => Promise<T>;
  readonly #on: UpkeepEvents<T>;
  #it: T | undefined;
  #tries = 0;
  #downSince = 0;
  #over = false;
  #patienceMs = PATIENCE_MS.first;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** Counts attempts: what an older one says is not heard. */
  #turn = 0;

  constructor(open: (lost: () => void) => Promise<T>, on: UpkeepEvents<T>) {
    this.#open = open;
    this.#on = on;
    this.#downSince = performance.now();
    addEventListener('online', this.hurry);
    void this.#try();
  }

  get it(): T | undefined {
    return this.#it;
  }

  /** Opens a second one and closes the first when it stands: nothing is missed. */
  async renew(): Promise<void> {
    const old = this.#it;
    this.#it = undefined;
    await this.#try();
    old?.close();
  }

  close(): void {
    this.#over = true;
    this.#turn++;
    clearTimeout(this.#timer);
    removeEventListener('online', this.hurry);
    this.#it?.close();
  }

  async #try(): Promise<void> {
    const turn = ++this.#turn;
    clearTimeout(this.#timer);
    try {
      const it = await this.#open(() => {
        if (turn === this.#turn) this.#lost(undefined);
      });
      if (turn !== this.#turn) return it.close();
      this.#it = it;
      this.#tries = 0;
      this.#patienceMs = PATIENCE_MS.later;
      this.#on.up(it);
    } catch (error) {
      if (turn === this.#turn) this.#lost(error);
    }
  }

  #lost(why: unknown): void {
    if (this.#over) return;
    this.#turn++;
    const now = performance.now();
    if (this.#it !== undefined) this.#downSince = now;
    this.#it?.close();
    this.#it = undefined;
    const final = why instanceof Refused && why.final;
    if (final || now - this.#downSince > this.#patienceMs) {
      this.close();
      return this.#on.gaveUp(why);
    }
    if (this.#tries === 0) this.#on.down();
    const pauseMs = PAUSES_MS[Math.min(this.#tries++, PAUSES_MS.length - 1)];
    this.#timer = setTimeout(() => void this.#try(), pauseMs);
  }

  /** The network is back, or what it needs is there: no reason to wait longer. */
  readonly hurry = (): void => {
    if (this.#it === undefined && this.#tries > 0) void this.#try();
  };
}
