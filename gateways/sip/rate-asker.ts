import type { Millis } from '../../src/contract.ts';

/** A request may be lost; a peer that does not answer does not know it. */
const AGAIN_MS = 1000;
const TIMES = 5;

/** Asks the peer to send so much and no more (TMMBR, RFC 5104 §4.2.1), until it says that it heard. */
export class RateAsker {
  readonly #ask: (bps: number, now: Millis) => void;
  #bps = 0;
  #left = 0;
  #at: Millis = Number.POSITIVE_INFINITY;

  constructor(ask: (bps: number, now: Millis) => void) {
    this.#ask = ask;
  }

  limit(bps: number, now: Millis): void {
    this.#bps = bps;
    this.#left = TIMES;
    this.#at = now;
    this.tick(now);
  }

  /** The peer has told what it keeps to. */
  heard(): void {
    this.#at = Number.POSITIVE_INFINITY;
  }

  get deadline(): Millis {
    return this.#at;
  }

  tick(now: Millis): void {
    if (now < this.#at) return;
    this.#left--;
    this.#at = this.#left > 0 ? now + AGAIN_MS : Number.POSITIVE_INFINITY;
    this.#ask(this.#bps, now);
  }
}
