import type {
  Clock,
  Format,
  MediaPacket,
  Millis,
  Sink,
  Termination,
  VideoCodec,
} from '../../src/contract.ts';
import { encodeSpec } from './spec.ts';
import { WorkerJob } from './worker-job.ts';
import type { VideoWorkers } from './workers.ts';

export { missingForVideo } from './av.ts';
export { closeVideoWorkers } from './worker-job.ts';

export interface TranscoderOptions {
  readonly bitrateBps: number;
  /** Default 30. */
  readonly maxFps?: number;
  /** In the payload format of `to`, frame marks set; borrowed. `pts` are those of the pictures pushed. */
  readonly onPacket: Sink<MediaPacket>;
  /** What is made, before its first packet: profile-level-id, packetization-mode, x-size, x-reorder. */
  onFormat(f: Format): void;
  /** The source must send a keyframe for the picture to go on. Not coalesced; may come from inside `push`. */
  onKeyNeeded(): void;
  /** It ended; nothing comes any more. */
  onFailed(why: Termination): void;
  readonly clock: Clock;
  /** Default: the ones all of this process share. */
  readonly workers?: VideoWorkers;
}

export interface VideoTranscoder {
  /** Never blocks, copies; pictures from the next keyframe on. */
  push(p: MediaPacket, now: Millis): void;
  /** The next packet pushed is of a new sequence: the source was switched or replayed. */
  restart(): void;
  /** The receiver needs a keyframe. */
  requestKey(): void;
  bitrate(bps: number): void;
  /** Pictures dropped: the worker was behind, or they stood before a keyframe. */
  readonly dropped: number;
  close(): void;
}

/** Pictures of `from` (H264, VP8) as a receiver that accepts `to` takes them. Rejects with a Refusal. */
export async function openVideoTranscoder(
  from: Format,
  to: Format,
  o: TranscoderOptions,
): Promise<VideoTranscoder> {
  let bitrateBps = o.bitrateBps;
  const job = new WorkerJob(to, o, () => ({
    kind: 'transcode',
    encode: encodeSpec(to, bitrateBps, o.maxFps),
  }));
  const mailbox = job.mailbox(0, from.codec as VideoCodec);
  await job.start();
  return {
    push: (p, now) => mailbox.push(p, now),
    restart: () => mailbox.restart(),
    requestKey: () => job.tell({ type: 'key' }),
    bitrate(bps) {
      bitrateBps = bps;
      job.tell({ type: 'bitrate', bps: encodeSpec(to, bps, o.maxFps).bitrateBps });
    },
    get dropped() {
      return mailbox.dropped + job.dropped;
    },
    close: () => job.close(),
  };
}
