/** What the main thread and the studio's worker say to each other. Answers come in the order of what was asked. */

import type { VideoCodec } from '../../../src/contract.ts';
import type { Termination } from '../../../src/kit/refusal.ts';
import type { PatternOptions, PatternPicture } from '../pattern.ts';
import type { PatternColour } from '../pattern-code.ts';
import type { PatternSeen } from '../pattern-read.ts';

export type { PatternColour, PatternOptions, PatternPicture, PatternSeen };

export type ToStudio =
  | { readonly type: 'draw'; readonly job: number; readonly options: PatternOptions }
  /** Answered by `drawn`. */
  | { readonly type: 'next'; readonly job: number; readonly clockMs: number; readonly key: boolean }
  | { readonly type: 'look'; readonly job: number; readonly codec: VideoCodec }
  /** A coded picture, H.264 in annex B; answered by `seen`. */
  | { readonly type: 'coded'; readonly job: number; readonly bytes: Uint8Array; readonly pts: number }
  | { readonly type: 'close'; readonly job: number };

export type FromStudio =
  | { readonly type: 'ready' }
  /** FFmpeg cannot be loaded. */
  | { readonly type: 'missing'; readonly why: Termination }
  | { readonly type: 'drawn'; readonly job: number; readonly picture: PatternPicture }
  | ({ readonly type: 'seen'; readonly job: number } & Seen)
  /** The job cannot go on; it is closed. */
  | { readonly type: 'failed'; readonly job: number; readonly why: Termination };

/** What came of one coded picture. */
export interface Seen {
  /** False: FFmpeg could not read it. */
  readonly whole: boolean;
  /** Raw pictures that came out. */
  readonly pictures: readonly {
    readonly width: number;
    readonly height: number;
    /** What is burned in, when it is our own test pattern. */
    readonly pattern?: PatternSeen;
  }[];
}
