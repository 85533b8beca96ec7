import type { Millis } from '../../src/contract.ts';
import { Extender } from '../../src/kit/sequence.ts';

const BACK_MS = 2000;
const AHEAD_MS = 10_000;

/**
 * RTMP timestamps (ms, 32 bits, wrapping) of one publisher on a line that never wraps. Sound and picture share it.
 * An encoder that begins anew in mid-connection, or leaps without time passing, goes on where it was.
 */
export class WireClock {
  readonly #extend = new Extender(32);
  #shift = 0;
  #last: { ms: number; at: Millis } | undefined;

  ms(wire: number, now: Millis): number {
    let ms = this.#extend.extend(wire) + this.#shift;
    const last = this.#last;
    if (last !== undefined) {
      const expected = last.ms + (now - last.at);
      if (ms < last.ms - BACK_MS || ms > expected + AHEAD_MS) {
        const resumed = Math.round(Math.max(expected, last.ms));
        this.#shift += resumed - ms;
        ms = resumed;
      }
    }
    if (last === undefined || ms > last.ms) this.#last = { ms, at: now };
    return ms;
  }
}
