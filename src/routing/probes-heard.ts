import type { Millis } from '../kit/core.ts';
import { type PathRecord, RECORD_PROBES, wireTime } from './control.ts';

/** What this router has heard of the probes another one sends it by one path. */
export class ProbesHeard {
  readonly #via: number;
  readonly #heard = new Uint8Array(RECORD_PROBES);
  #highest = 0;
  #transit = 0;

  constructor(via: number) {
    this.#via = via;
  }

  /** False when it was heard before, or is older than can be told. */
  note(number: number, time: number, now: Millis): boolean {
    if (number > this.#highest) {
      const skipped = Math.min(number - this.#highest, RECORD_PROBES);
      for (let i = 0; i < skipped; i++) this.#heard[(number - i) % RECORD_PROBES] = 0;
      this.#highest = number;
      this.#transit = (wireTime(now) - time) | 0;
    } else if (this.#highest - number >= RECORD_PROBES || this.#heard[number % RECORD_PROBES] === 1)
      return false;
    this.#heard[number % RECORD_PROBES] = 1;
    return true;
  }

  record(): PathRecord {
    const heard = new Uint8Array(RECORD_PROBES / 8);
    for (let i = 0; i < RECORD_PROBES && i < this.#highest; i++)
      if (this.#heard[(this.#highest - i) % RECORD_PROBES] === 1) heard[i >> 3]! |= 1 << (i & 7);
    return { via: this.#via, highest: this.#highest, heard, transit: this.#transit };
  }
}
