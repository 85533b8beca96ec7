import type { AudioPolicy, MediaPolicy, VideoPolicy } from '../media/policy-types.ts';
import type { PathView } from '../rate/path-meter.ts';
import type { Missing } from './audio-replay.ts';
import { BURSTY } from './channel.ts';

/** What may be missing. */
const TARGET = 0.01;
/**
 * So many candidates are tried on one window that the luckiest wins: it must do better than the target by this. A window
 * holds fewer frames than packets, and fewer bursts than single losses, and so more luck.
 */
export const LUCK = { audio: 0.8, bursts: 0.4, video: 0.5 } as const;
/** The last two seconds count on their own, more loosely: an onset of loss must not be diluted by the good time before. */
export const RECENT_MS = 2000;
const RECENT_TARGET = 0.025;

export const isEnough = ({ all, recent, slots }: Missing, luck: number): boolean =>
  all - onceIn(slots) <= TARGET * luck && recent - onceIn(slots) <= RECENT_TARGET;

/** In the first seconds a single loss is a large share and no reason to double the rate. */
const FEW_SLOTS = 150;
const onceIn = (slots: number): number =>
  slots > 0 && slots < FEW_SLOTS ? (1 - slots / FEW_SLOTS) / slots : 0;

/** The worse of both, the last two seconds scaled to the target. */
export const worseOf = ({ all, recent }: Missing): number => Math.max(all, (recent * TARGET) / RECENT_TARGET);

export interface PolicyInput {
  readonly media: 'audio' | 'video';
  /** The path in use, and the standby that fails least together with it, if there is one. */
  readonly paths: readonly PathView[];
  readonly rttMs: number | undefined;
  /** Delay that repair may add at the receiver. */
  readonly budgetMs: number;
  /** Payload of the source, bit/s. */
  readonly sourceBps: number;
  /** Audio: length of a packet; video: of a frame. */
  readonly packetMs: number;
  /** What the first path takes, all headers counted, less what other media take of it. */
  readonly availableBps: number;
  /** Video: 2 when every other frame is above temporal layer 0. */
  readonly temporalLayers?: number;
  /** What is in use now: kept when nothing is cheaper. */
  readonly held?: MediaPolicy;
}

export interface Choice<P extends MediaPolicy = MediaPolicy> {
  readonly policy: P;
  /** Share that would have been missing, the worse of all and of the last two seconds (scaled to the target). */
  readonly residual: number;
  /** All paths, all headers. */
  readonly bitrateBps: number;
  /** What the first path carries of it, and what it takes. */
  readonly pathBps: number;
  readonly availableBps: number;
  /** What the receiver waits longer for repair. */
  readonly delayMs: number;
  /** The target is met. */
  readonly enough: boolean;
  /** Video: lower than asked for when nothing else fits; then the source is to be told. */
  readonly sourceBps: number;
}

export type AudioChoice = Choice<AudioPolicy>;
export type VideoChoice = Choice<VideoPolicy>;

const isKnownFor = ({ sentAt }: PathView, leastMs: number): boolean =>
  sentAt.length > 0 && sentAt[sentAt.length - 1]! - sentAt[0]! >= leastMs;

/** Nothing was lost on a path that was in use for `leastMs`: only what costs nothing needs to be looked at. */
export const isClean = (path: PathView | undefined, leastMs: number): boolean =>
  path !== undefined && isKnownFor(path, leastMs) && !path.lost.includes(1);

/** All that was lost was lost in one row: an outage, over when it is known of. What comes again is two. */
export function hadOneOutage(path: PathView | undefined, leastMs: number): boolean {
  if (path === undefined || !isKnownFor(path, leastMs)) return false;
  const first = path.lost.indexOf(1);
  const end = path.lost.indexOf(0, first);
  return first >= 0 && end > 0 && path.lost.indexOf(1, end) < 0;
}

/** A candidate and its price, known before it is played over anything. */
export interface Priced<P extends MediaPolicy = MediaPolicy> {
  readonly policy: P;
  /** All paths, all headers; and what the first path carries of it. */
  readonly bitrateBps: number;
  readonly pathBps: number;
}

/** Judges candidates that fit, the cheapest first, and none that costs more than the cheapest that is enough. */
export function judged<P extends MediaPolicy>(
  all: Priced<P>[],
  judge: (p: Priced<P>) => Choice<P>,
): Choice<P>[] {
  all.sort((a, b) => a.bitrateBps - b.bitrateBps);
  const choices: Choice<P>[] = [];
  let mostBps = Number.POSITIVE_INFINITY;
  for (const p of all) {
    if (p.bitrateBps > mostBps) break;
    const choice = judge(p);
    choices.push(choice);
    if (choice.enough) mostBps = Math.min(mostBps, p.bitrateBps * SAME);
  }
  return choices;
}

/** What costs more than the cheapest by less than this costs the same. */
const SAME = 1.005;
/** Missing less than this is not worth sending more. */
const NOTHING = TARGET / 2;
/** Nearly as good a bargain, and cheaper, is better. */
const NEARLY = 1.05;

/** Where losses come in bursts: sending everything n times must cut what is missing by n, and by more on one path. */
const PATH_TAX = 2;
const COPY_TAX = 2;

/**
 * How many times better a candidate that sends everything `times` must be. Where chance strikes each packet alone, every
 * copy does what it promises, and only what is enough counts. Of a burst a copy escapes at the ends only, and what it
 * seems to have saved in one window is luck: the more of the losses it shares (`share`), the more it must save. Another
 * path has bursts of its own.
 */
export const taxOf = (times: number, twoPaths: boolean, share: number): number =>
  share < BURSTY ? 1 : times ** (1 + COPY_TAX * share) * (twoPaths ? PATH_TAX : 1);

/**
 * The cheapest that is enough, unless a cheaper one is the better bargain after tax; where nothing is enough the best
 * bargain. `all` is not empty and holds only what fits. Among equals: what is in use, then the shorter delay, then the
 * lower residual.
 */
export function cheapest<P extends MediaPolicy>(
  all: readonly Choice<P>[],
  held: MediaPolicy | undefined,
  tax: (c: Choice<P>) => number,
): Choice<P> {
  const priceOf = (c: Choice<P>): number => Math.max(c.residual, NOTHING) * tax(c);
  const enoughBps = Math.min(...all.filter(c => c.enough).map(c => c.bitrateBps));
  const affordable = all.filter(c => c.bitrateBps <= enoughBps * SAME);
  const price = Math.min(...affordable.map(priceOf)) * NEARLY;
  let good = affordable.filter(c => priceOf(c) <= price);
  if (good.some(c => c.enough)) good = affordable.filter(c => c.enough);
  const bps = Math.min(...good.map(c => c.bitrateBps)) * SAME;
  good = good.filter(c => c.bitrateBps <= bps);
  const kept = held && good.find(c => samePolicy(c.policy, held));
  if (kept) return kept;
  return good.reduce((a, b) => ((b.delayMs - a.delayMs || b.residual - a.residual) < 0 ? b : a));
}

const samePolicy = (a: MediaPolicy, b: MediaPolicy): boolean => {
  if (a.kind === 'audio')
    return (
      b.kind === 'audio' &&
      a.pattern === b.pattern &&
      a.copies === b.copies &&
      a.twoPaths === b.twoPaths &&
      a.nack === b.nack
    );
  return (
    b.kind === 'video' &&
    a.nackCopies === b.nackCopies &&
    a.repair.every((r, i) => r === b.repair[i]) &&
    a.copies === b.copies &&
    a.twoPaths === b.twoPaths
  );
};
