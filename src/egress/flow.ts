import type { Format } from '../contract.ts';
import type { Millis } from '../kit/core.ts';
import type { Termination } from '../kit/refusal.ts';
import type { PictureCache } from './picture-cache.ts';

/** Pictures as they come from one place in this process: a track as it is, a transcode of it, a grid of many. */
export interface Flow {
  readonly cache: PictureCache;
  /** As told to legs: `passthrough`, `transcode A→B`. */
  readonly how: string;
  /** Of what comes now. */
  readonly format: Format;
  /** Why nothing will come any more. */
  readonly failure: Termination | undefined;
  /** What the whole picture takes, bits a second; undefined until measured. */
  readonly wholeBps: number | undefined;
  /** As `Subscription.timeOf`. */
  timeOf(pts: number): Millis | undefined;
  /** What its publisher was asked to send at most, if it heeds that. */
  readonly askedBps: number | undefined;
  /** What viewer `who` can receive, bits a second, Infinity when it tells no limit; undefined: it is gone. */
  limit(who: object, bps: number | undefined): void;
  /** Calls once `failure` is set. Gives the undo. */
  onFailed(listener: () => void): () => void;
  /** Calls when `format` has changed, right before the keyframe of it. Not for a track as it is. Gives the undo. */
  onFormat(listener: () => void): () => void;
}
