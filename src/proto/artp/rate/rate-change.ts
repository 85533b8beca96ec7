import { bpsOf, lossOf, type Slices, type Sums } from './slices.ts';

/** A rate that differs by so much is another. */
const STEP = 1.18;
/** Rates are means over so many slices. */
const SMOOTH = 3;
/** The sides of a change are no longer than this, slices. */
const MOST_SIDE = 30;
/** A rate held for less than so many slices is only the way from one to another. */
const LEAST_SIDE = 6;
/** Packets needed on both. */
const LEAST_PACKETS = 20;
/** The side before grows by so many slices while as much is lost: within so many standard deviations. */
const PART = 3;
const SAME_SIGMAS = 2;

/** One side of a change of rate. */
export interface Side {
  readonly bps: number;
  readonly packets: number;
  readonly arrived: number;
}

/** What arrived just before and just after the sending rate changed. */
export interface RateChange {
  readonly low: Side;
  readonly high: Side;
  /** How much larger the variance of the shares is than chance packet by packet makes it. */
  readonly clustering: number;
}

/**
 * Finds the changes of the sending rate. Each is an experiment: noise takes the same share on both sides of it, a full line
 * takes more of more. Both sides lie next to the change, so what began at another time spoils neither; and where they lie
 * is decided by what was sent alone, whatever was lost.
 */
export class RateChanges {
  readonly #slices: Slices;
  /** Slices in which the rate of now, and the one before it, began and ended; the next to look at. */
  #from = -1;
  #before = { from: -1, to: -1 };
  #next = -1;
  #over: RateChange[] = [];

  constructor(slices: Slices) {
    this.#slices = slices;
  }

  /** Looks at all slices before `end`, which were told of completely. */
  update(end: number): void {
    if (this.#next < 0 || end - this.#next > MOST_SIDE) {
      this.#from = this.#next = end;
      this.#before = { from: end, to: end };
    }
    for (; this.#next < end; this.#next++) {
      if (this.#next - this.#from === MOST_SIDE) {
        this.#tell(this.#next);
        this.#before = { from: this.#from, to: this.#from };
      }
      const at = this.#next + 1 - SMOOTH;
      if (at <= this.#from) continue;
      const bps = this.#bps(Math.max(this.#from, at - MOST_SIDE), at);
      if (!differ(this.#bps(at, this.#next + 1), bps)) continue;
      this.#tell(at);
      if (at - this.#from >= LEAST_SIDE) this.#before = { from: this.#from, to: at };
      // The slice in which it changed belongs to neither.
      this.#from = differ(this.#bps(at, at + 1), bps) ? at : at + 1;
    }
  }

  /** What is known of the last change so far. */
  current(end: number): RateChange | undefined {
    return this.#from + MOST_SIDE < end ? undefined : this.#change(end);
  }

  /** Changes that are over, each told once. */
  takeOver(): readonly RateChange[] {
    const over = this.#over;
    if (over.length > 0) this.#over = [];
    return over;
  }

  #tell(end: number): void {
    const change = this.#change(end);
    if (change !== undefined) this.#over.push(change);
  }

  #bps(from: number, to: number): number {
    return bpsOf(this.#slices.sum(from, to).bytes, to - from);
  }

  #change(end: number): RateChange | undefined {
    const { to } = this.#before;
    const begin = Math.max(this.#before.from, to - MOST_SIDE);
    if (begin >= to || this.#from - to > MOST_SIDE) return undefined;
    const slices = this.#slices;
    let from = Math.max(begin, to - PART);
    while (from > begin && slices.sum(from, to).packets < LEAST_PACKETS) from--;
    while (from - PART >= begin && alike(slices.sum(from - PART, from), slices.sum(from, to))) from -= PART;
    const sides = [sideOf(slices.sum(from, to)), sideOf(slices.sum(this.#from, end))] as const;
    if (sides.some(s => s.packets < LEAST_PACKETS)) return undefined;
    const [low, high] = sides[0].bps < sides[1].bps ? sides : [sides[1], sides[0]];
    return { low, high, clustering: clustering(slices.sum(end - 2 * MOST_SIDE, end)) };
  }
}

const differ = (a: number, b: number): boolean => a > b * STEP || a < b / STEP;

function alike(a: Sums, b: Sums): boolean {
  const all = (a.lostPackets + b.lostPackets + 0.5) / (a.packets + b.packets + 1);
  const deviation = Math.sqrt(all * (1 - all) * (1 / Math.max(1, a.packets) + 1 / Math.max(1, b.packets)));
  return Math.abs(lossOf(a) - lossOf(b)) <= SAME_SIGMAS * deviation;
}

/** Only of what was told of. */
const sideOf = (s: Sums): Side => ({
  bps: bpsOf(s.bytes, s.slices),
  packets: s.lostPackets + s.arrivedPackets,
  arrived: s.arrivedPackets,
});

/**
 * Losses in rows say less than as many single ones: how much larger the variance of their share is. Of a Markov chain with
 * correlation ρ from packet to packet it is (1 + ρ) / (1 − ρ), and the mean row is 1 / ((1 − loss) (1 − ρ)).
 */
export function clustering(s: Sums): number {
  const lost = s.packets - s.arrivedPackets;
  return s.bursts === 0 ? 1 : Math.max(1, (2 * lost * (1 - lossOf(s))) / s.bursts - 1);
}
