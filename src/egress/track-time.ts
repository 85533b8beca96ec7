import type { Millis } from '../kit/core.ts';
import { Timeline } from '../media/timeline.ts';

/**
 * Sound and picture of one capture are never further apart than this when they come. A capture clock that says so is
 * wrong (phones that report made-up NTP times), and none of its group is believed.
 */
const MOST_APART_MS = 1500;

/**
 * When the media of one track was captured, on this process's clock.
 *
 * Arrivals give it up to the time spent on the way. Tracks of one sync group share a capture clock, which tells how
 * much longer than the fastest of them each one was on its way; that much earlier its media was captured:
 * ```
 *   arrives at      = pts + offset              Timeline: earliest arrivals, followed slowly
 *   behind          = arrives at − capture time, less that of the fastest of the group
 *   captured at     = arrives at − behind       of a whole group one and the same delay too late
 * ```
 * So only arrivals here are compared, and no two machines need clocks in step.
 */
export class TrackTime {
  readonly #group: Set<TrackTime>;
  #clockRate: number;
  #arrivals: Timeline;
  #tie: { readonly pts: number; readonly captureMs: number } | undefined;

  /** `group`: of all tracks that share its capture clock. */
  constructor(clockRate: number, group: Set<TrackTime> = new Set()) {
    this.#clockRate = clockRate;
    this.#arrivals = new Timeline(clockRate);
    this.#group = group.add(this);
  }

  arrived(pts: number, now: Millis): void {
    this.#arrivals.arrived(pts, now);
  }

  /** The publisher says when media was captured, ms on a clock of the group's own. */
  clock(pts: number, captureMs: number): void {
    this.#tie = { pts, captureMs };
  }

  /** The track goes on in another format. */
  format(clockRate: number): void {
    if (clockRate === this.#clockRate) return;
    this.#clockRate = clockRate;
    this.#arrivals = new Timeline(clockRate);
    this.#tie = undefined;
  }

  /** Undefined before the first arrival. */
  timeOf(pts: number): Millis | undefined {
    const arrives = this.#arrivals.at(pts);
    return arrives === undefined ? undefined : arrives - this.#behind();
  }

  close(): void {
    this.#group.delete(this);
  }

  /** Arrival less capture time: how long media was on its way, but for a constant of the group. */
  get #transit(): number | undefined {
    const tie = this.#tie;
    const arrives = tie && this.#arrivals.at(tie.pts);
    return arrives === undefined ? undefined : arrives - (tie as { captureMs: number }).captureMs;
  }

  #behind(): Millis {
    const own = this.#transit;
    if (own === undefined || this.#group.size < 2) return 0;
    let least = own;
    let most = own;
    for (const other of this.#group) {
      const transit = other.#transit ?? own;
      if (transit < least) least = transit;
      if (transit > most) most = transit;
    }
    return most - least > MOST_APART_MS ? 0 : own - least;
  }
}
