import type { Millis } from '../../../contract.ts';
import { NEVER } from '../../../kit/core.ts';
import type { Rtcp } from '../../rtp/rtcp.ts';
import { LossRecorder } from '../rate/loss-recorder.ts';
import type { TrailerView } from '../trailer.ts';

/** Paths recorded at once. Their numbers stand outside the seal: whoever makes them up makes no more than these. */
const MAX_RECORDED = 8;
/** A path that carried nothing for this long makes room for another. */
const IDLE_MS = 30_000;

interface Recorded {
  readonly recorder: LossRecorder;
  at: Millis;
}

/** What of theirs came, by the number they gave the path. */
export class Recorders {
  readonly #count: (reason: string) => void;
  readonly #byNumber = new Map<number, Recorded>();

  constructor(count: (reason: string) => void) {
    this.#count = count;
  }

  /** An authentic packet, or a copy of one. `elicits`: it is worth a report of its own. */
  note(trailer: TrailerView, elicits: boolean, now: Millis): void {
    const known = this.#byNumber.get(trailer.path) ?? this.#begin(trailer.path, now);
    if (known === undefined) return this.#count('too-many-paths');
    known.at = now;
    known.recorder.note(trailer.sequence, trailer.sendTime, now, elicits);
  }

  report(ssrc: number, now: Millis, send: (parts: Rtcp[]) => void): void {
    for (const { recorder } of this.#byNumber.values()) {
      const parts = recorder.report(ssrc, now);
      if (parts !== undefined) send(parts);
    }
  }

  get deadline(): Millis {
    let at = NEVER;
    for (const { recorder } of this.#byNumber.values()) at = Math.min(at, recorder.deadline);
    return at;
  }

  #begin(number: number, now: Millis): Recorded | undefined {
    if (this.#byNumber.size >= MAX_RECORDED)
      for (const [n, r] of this.#byNumber) if (now - r.at > IDLE_MS) this.#byNumber.delete(n);
    if (this.#byNumber.size >= MAX_RECORDED) return undefined;
    const recorded = { recorder: new LossRecorder(number), at: now };
    this.#byNumber.set(number, recorded);
    return recorded;
  }
}
