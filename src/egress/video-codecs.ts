import type { Clock, Format, MediaPacket } from '../contract.ts';
import type { Millis } from '../kit/core.ts';
import type { Termination } from '../kit/refusal.ts';

export interface VideoTranscoderOptions {
  readonly bitrateBps: number;
  readonly maxFps?: number;
  readonly clock: Clock;
  readonly onPacket: (packet: MediaPacket, now: Millis) => void;
  /** What comes out, before its first packet. */
  readonly onFormat: (format: Format) => void;
  /** It can go on only from a keyframe. */
  readonly onKeyNeeded: () => void;
  /** It is over; nothing more comes. */
  readonly onFailed: (why: Termination) => void;
}

/** Pictures of one track in another codec, size or bit rate, in a worker. */
export interface VideoTranscoder {
  push(packet: MediaPacket, now: Millis): void;
  requestKey(): void;
  bitrate(bps: number): void;
  close(): void;
}

/** The video codecs as egress uses them. */
export interface VideoCodecs {
  openVideoTranscoder(from: Format, to: Format, o: VideoTranscoderOptions): Promise<VideoTranscoder>;
  /** Why this machine cannot transcode pictures, as a sentence; undefined when it can. */
  missingForVideo(): string | undefined;
}
