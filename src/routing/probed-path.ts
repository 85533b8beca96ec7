import type { Millis } from '../kit/core.ts';
import { elapsedMs, type PathRecord, RECORD_PROBES } from './control.ts';

/** Probes remembered: more than WINDOW_MS of them at the fastest. A power of two. */
const REMEMBERED = 256;
/** What a path was like this long counts. */
const WINDOW_MS = 10_000;
/** A probe that this many later ones have overtaken is lost. */
const REORDERED = 3;
/** So long after a probe whose fate nobody told: lost. More than any round trip worth using. */
const GIVEN_UP_MS = 1000;
const SMOOTH = 1 / 8;

export type Fate = 'heard' | 'lost' | 'open';

/** One way to another router as its sender knows it: what became of its probes, and how long they took. */
export class ProbedPath {
  readonly via: number;
  readonly #numbers = new Float64Array(REMEMBERED).fill(-1);
  readonly #sentAt = new Float64Array(REMEMBERED);
  readonly #isHeard = new Uint8Array(REMEMBERED);
  readonly #isAnswered = new Uint8Array(REMEMBERED);
  #highestHeard = -1;
  #rttMs: number | undefined;
  #transitMs: number | undefined;
  #jitterMs = 0;
  #provenAt: Millis | undefined;

  constructor(via: number) {
    this.via = via;
  }

  /** When it was last proven that what is sent by it arrives; undefined: never. */
  get provenAt(): Millis | undefined {
    return this.#provenAt;
  }
  /** Smoothed; of probes whose answers came back by the same path. */
  get rttMs(): number | undefined {
    return this.#rttMs;
  }
  /** Smoothed. Only the difference to that of another path to the same router means anything. */
  get transitMs(): number | undefined {
    return this.#transitMs;
  }
  /** Mean difference of the transits of probes that follow each other. */
  get jitterMs(): number {
    return this.#jitterMs;
  }

  sent(number: number, now: Millis): void {
    const at = number % REMEMBERED;
    this.#numbers[at] = number;
    this.#sentAt[at] = now;
    this.#isHeard[at] = 0;
    this.#isAnswered[at] = 0;
  }

  /** The answer to probe `number` came back by this path. False: unasked, or a second time. */
  answered(number: number, now: Millis): boolean {
    const at = number % REMEMBERED;
    if (this.#numbers[at] !== number || this.#isAnswered[at] === 1) return false;
    this.#isAnswered[at] = 1;
    const rttMs = now - (this.#sentAt[at] as number);
    this.#rttMs = this.#rttMs === undefined ? rttMs : this.#rttMs + SMOOTH * (rttMs - this.#rttMs);
    return true;
  }

  /** What the other router has heard by this path, by whichever way that was told. */
  told(record: PathRecord, now: Millis): void {
    const { highest, heard, transit } = record;
    if (this.#numbers[highest % REMEMBERED] !== highest) return; // none of ours
    for (let i = 0; i < RECORD_PROBES && i <= highest; i++) {
      const number = highest - i;
      const at = number % REMEMBERED;
      if (this.#numbers[at] === number && (heard[i >> 3] as number) & (1 << (i & 7))) this.#isHeard[at] = 1;
    }
    if (highest <= this.#highestHeard) return;
    this.#highestHeard = highest;
    this.#provenAt = now;
    this.#took(elapsedMs(0, transit));
  }

  #took(transitMs: number): void {
    const before = this.#transitMs;
    this.#transitMs = before === undefined ? transitMs : before + SMOOTH * (transitMs - before);
    if (before !== undefined) this.#jitterMs += (Math.abs(transitMs - before) - this.#jitterMs) / 16;
  }

  /** Of a probe whose fate is known. */
  sentAt(number: number): Millis {
    return this.#sentAt[number % REMEMBERED] as number;
  }

  /** Of probe `number`; undefined: not sent by this path in the last WINDOW_MS, or forgotten. */
  fate(number: number, now: Millis): Fate | undefined {
    const at = number % REMEMBERED;
    const ageMs = now - (this.#sentAt[at] as number);
    if (this.#numbers[at] !== number || ageMs > WINDOW_MS) return undefined;
    if (this.#isHeard[at] === 1) return 'heard';
    return number + REORDERED <= this.#highestHeard || ageMs > GIVEN_UP_MS ? 'lost' : 'open';
  }
}
