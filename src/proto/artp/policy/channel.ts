import type { PathView } from '../rate/path-meter.ts';
import { onsetOf } from './onset.ts';

const WINDOW_MS = 10_000;
/** Packets of one slot that are looked at. */
const MOST_SAMPLES = 32;
/** Where the fate of a packet nobody sent is looked up: so many slots on for each, beyond the reach of any pattern. */
const ELSEWHERE = 17;
/** An empty slot takes after one of so many around it. */
const AROUND = 16;
/** Nearer than so many slots it takes after that one: a burst does not end where nothing was sent. */
const BESIDE = 3;
/** Pairs needed to measure how copies of one slot fare together. */
const LEAST_PAIRS = 60;
/** Correlations are taken within parts of this length. */
const PART_MS = 2000;
/** Slots a fresh onset is doubted by. */
const DOUBT = 6;
/** Draws of their own: no slot has so many packets. */
const RETOLD = 1000;
/** Packets this close together are as good as copies of one tick. */
const CLOSE_MS = 7;
/** Mostly the line itself: a little less is an error of measurement, and would let each of many copies slip out of a burst. */
const WHOLLY = 0.75;
/** Neighbouring slots this much alike: a line that breaks, until copies show something better. */
export const BURSTY = 0.3;

/**
 * What would have happened to the n-th packet of each slot of a path. A slot is one tick of the source: its packet and
 * all copies of it.
 *
 * What was sent tells of itself. Where a candidate sends more than was sent, the rest is extrapolated:
 * - `share` of the losses happen because the line is broken for a while: a further packet meets what the last of its slot
 *   met. So a burst takes all copies. (Those at its ends escape, but few bursts fit the window: what so few promise is luck.)
 * - the others strike each packet alone: it fares as a slot 17, 34, 51 … further on did. So chance is drawn anew.
 * - `share` is measured: the correlations of packets close together (φ) and of neighbouring slots (r) follow c·λ^distance,
 *   and c is what is left at no distance. Before there were copies, neighbours alone tell: all or nothing. In doubt it is
 *   higher: copies that do not help cost as much as those that do.
 * - when loss began or grew lately, the time before is told anew as what came since would have it.
 * - a slot without packets (silence, a standby path that is only probed) fares as the sampled one beside it, or else as
 *   one of the 16 around it.
 * Deterministic: the draws come from a hash of slot and packet.
 */
export class Channel {
  readonly slots: number;
  /** Part of the losses that takes all packets of one moment, 0–1. */
  readonly share: number;
  readonly #samples: Uint8Array;
  readonly #counts: Uint8Array;

  /**
   * `endMs`: where the last slot ends; slots of different paths with the same end and length are the same ticks. `path`:
   * another for each, so that their draws differ.
   */
  constructor(view: PathView, slotMs: number, endMs: number, slots: number, path = 0) {
    this.slots = slots;
    this.#samples = new Uint8Array(slots * MOST_SAMPLES);
    this.#counts = new Uint8Array(slots);
    for (let i = 0; i < view.lost.length; i++) {
      const slot = slots - 1 - Math.floor((endMs - view.sentAt[i]!) / slotMs);
      if (slot < 0 || slot >= slots || this.#counts[slot]! >= MOST_SAMPLES) continue;
      this.#samples[slot * MOST_SAMPLES + this.#counts[slot]!++] = view.lost[i]!;
    }
    this.#fillEmpty();
    this.share = this.#share(view, slotMs);
    const onset = onsetOf(slot => this.#samples[slot * MOST_SAMPLES]!, slots);
    if (onset > 0) this.#retell(onset, path);
  }

  /** Whether packet `n` of `slot` is lost. */
  lost(slot: number, n: number): boolean {
    const had = this.#counts[slot]!;
    if (n < had) return this.#samples[slot * MOST_SAMPLES + n] === 1;
    if (had > 0 && draw(slot, n) < this.share) return this.#samples[slot * MOST_SAMPLES + had - 1] === 1;
    return this.#samples[((slot + ELSEWHERE * (n - had + 1)) % this.slots) * MOST_SAMPLES] === 1;
  }

  #fillEmpty(): void {
    const sampled: number[] = [];
    for (let slot = 0; slot < this.slots; slot++) if (this.#counts[slot]! > 0) sampled.push(slot);
    if (sampled.length === 0) return;
    let next = 0;
    for (let slot = 0; slot < this.slots; slot++) {
      while (next < sampled.length && sampled[next]! < slot) next++;
      if (this.#counts[slot]! > 0) continue;
      const [before, after] = [sampled[next - 1] ?? -BESIDE, sampled[next] ?? this.slots + BESIDE];
      if (Math.min(slot - before, after - slot) < BESIDE) {
        const nearest = slot - before <= after - slot ? before : after;
        this.#samples[slot * MOST_SAMPLES] = this.#samples[nearest * MOST_SAMPLES]!;
        continue;
      }
      const from = Math.max(0, Math.min(next - AROUND / 2, sampled.length - AROUND));
      const of = sampled[from + Math.floor(draw(slot, 0) * Math.min(AROUND, sampled.length))]!;
      this.#samples[slot * MOST_SAMPLES] = this.#samples[of * MOST_SAMPLES]!;
    }
  }

  /**
   * What was before `onset` says nothing of what comes. It is told anew: by a chain with the transitions seen since where
   * losses come in bursts, else by chance with the share seen since. A few dozen slots then speak for the whole window.
   */
  #retell(onset: number, path: number): void {
    const fate = (slot: number): 0 | 1 => this.#samples[slot * MOST_SAMPLES] as 0 | 1;
    // Where most was lost is where it was looked for: so many are taken to have come besides.
    const next: [[number, number], [number, number]] = [
      [DOUBT, 0],
      [1, 1],
    ];
    for (let slot = onset; slot + 1 < this.slots; slot++)
      next[this.share < BURSTY ? 0 : fate(slot)][fate(slot + 1)]++;
    for (let slot = onset - 1; slot >= 0; slot--) {
      const [came, lost] = next[this.share < BURSTY ? 0 : fate(slot + 1)];
      this.#samples[slot * MOST_SAMPLES] = draw(slot, RETOLD + path) * (came + lost) < lost ? 1 : 0;
      this.#counts[slot] = 1;
    }
  }

  #share(view: PathView, slotMs: number): number {
    const [close, next] = [new Pairs(), new Pairs()];
    let [apartMs, pairs] = [0, 0];
    let partAt = view.sentAt[0] ?? 0;
    for (let i = 1; i < view.lost.length; i++) {
      const ms = view.sentAt[i]! - view.sentAt[i - 1]!;
      if (view.sentAt[i]! - partAt > PART_MS) {
        close.part();
        partAt = view.sentAt[i]!;
      }
      if (ms > CLOSE_MS) continue;
      close.add(view.lost[i - 1]!, view.lost[i]!);
      apartMs += ms;
      pairs++;
    }
    close.part();
    for (let slot = 0; slot + 1 < this.slots; slot++) {
      if (this.#counts[slot]! > 0 && this.#counts[slot + 1]! > 0)
        next.add(this.#samples[slot * MOST_SAMPLES]!, this.#samples[(slot + 1) * MOST_SAMPLES]!);
      if ((slot + 2) % Math.ceil(PART_MS / slotMs) === 0) next.part();
    }
    next.part();
    const r = next.correlation;
    if (close.count < LEAST_PAIRS) return next.phi + next.doubt >= BURSTY ? 1 : r;
    const closeMs = Math.min(apartMs / pairs, slotMs / 2);
    const share = atNoDistance(close.correlation, r, closeMs / (slotMs - closeMs));
    return share + close.doubt >= WHOLLY ? 1 : share;
  }
}

/** c of c·λ^distance, from the values at a near and a far distance; `ratio`: the near one by what lies between. */
function atNoDistance(near: number, far: number, ratio: number): number {
  if (near === 0) return 0;
  return far === 0 || far >= near ? near : Math.min(1, near * (near / far) ** ratio);
}

/** Of pairs of bits, within parts of the time: what differs from part to part is an onset, not a burst. */
class Pairs {
  /** In parts that were told of, and in which something was lost and something came. */
  count = 0;
  #together = 0;
  #deviation = 0;
  #n = 0;
  #first = 0;
  #second = 0;
  #both = 0;

  add(first: number, second: number): void {
    this.#n++;
    this.#first += first;
    this.#second += second;
    this.#both += first & second;
  }

  /** A part of the time is over. */
  part(): void {
    const n = this.#n;
    const [p, q] = [this.#first / n, this.#second / n];
    const deviation = Math.sqrt(p * (1 - p) * q * (1 - q));
    if (deviation > 0) {
      this.count += n;
      this.#together += n * (this.#both / n - p * q);
      this.#deviation += n * deviation;
    }
    this.#n = this.#first = this.#second = this.#both = 0;
  }

  /** −1 … 1; 0 when one side never changes. */
  get phi(): number {
    return this.#deviation > 0 ? this.#together / this.#deviation : 0;
  }

  /** One standard deviation of `phi` where there is no correlation. */
  get doubt(): number {
    return 1 / Math.sqrt(Math.max(1, this.count));
  }

  /** 0–1; what chance alone would show counts as none. */
  get correlation(): number {
    const phi = this.phi;
    return phi < Math.max(0.1, 2 * this.doubt) ? 0 : Math.min(1, phi);
  }
}

/** 0–1, the same for the same arguments (the finalizer of MurmurHash3 is a known good mixer). */
function draw(slot: number, n: number): number {
  let h = Math.imul(slot + 1, 0x9e3779b1) ^ Math.imul(n + 1, 0x85ebca77);
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return ((h ^ (h >>> 16)) >>> 0) / 2 ** 32;
}

/** Ticks do not begin at multiples of their length: where the slots must end so that no tick is cut in two. */
function alignedEnd(view: PathView, slotMs: number): number {
  const BINS = 16;
  const bins = new Uint32Array(BINS);
  for (let i = 0; i < view.sentAt.length; i++)
    bins[Math.floor(((view.sentAt[i]! % slotMs) / slotMs) * BINS)]! += 1;
  // The boundary belongs behind the longest pause, just before the first packet of a tick.
  const noise = view.sentAt.length / 200;
  let [at, longest, run] = [0, 0, 0];
  for (let i = 0; i < 2 * BINS; i++) {
    run = bins[i % BINS]! > noise ? 0 : run + 1;
    if (run > longest && run <= BINS) [longest, at] = [run, (i + 1) % BINS];
  }
  const newest = view.sentAt[view.sentAt.length - 1] ?? 0;
  const phase = (at / BINS) * slotMs;
  return Math.floor((newest - phase) / slotMs) * slotMs + phase + slotMs;
}

/** The paths as channels over the same ticks; none when nothing is known of the first. */
export function channelsOf(paths: readonly PathView[], slotMs: number): Channel[] {
  const first = paths[0];
  if (first === undefined || first.sentAt.length === 0) return [];
  const endMs = alignedEnd(first, slotMs);
  const slots = Math.min(Math.floor(WINDOW_MS / slotMs), Math.ceil((endMs - first.sentAt[0]!) / slotMs));
  return paths.slice(0, 2).map((view, path) => new Channel(view, slotMs, endMs, Math.max(1, slots), path));
}
