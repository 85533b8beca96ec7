import { type GridOptions, openGrid, type VideoGrid } from '../../codecs/video/grid.ts';
import {
  missingForVideo,
  openVideoTranscoder,
  type TranscoderOptions,
  type VideoTranscoder,
} from '../../codecs/video/transcoder.ts';
import type { Format } from '../contract.ts';

export type { GridOptions, TranscoderOptions, VideoGrid, VideoTranscoder };

/** The video codecs as egress uses them: a seam of its own, so that tests need no workers. */
export interface VideoCodecs {
  /** Rejects with a Refusal. */
  openVideoTranscoder(from: Format, to: Format, o: TranscoderOptions): Promise<VideoTranscoder>;
  openGrid(to: Format, o: GridOptions): Promise<VideoGrid>;
  /** Why this machine cannot transcode pictures, as a sentence; undefined when it can. */
  missingForVideo(): string | undefined;
}

export const realVideoCodecs: VideoCodecs = { openVideoTranscoder, openGrid, missingForVideo };
