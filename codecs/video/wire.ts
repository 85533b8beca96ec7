/** What the main thread and a video worker say to each other. Bytes are transferred, not copied. */
import type { VideoCodec } from '../../src/contract.ts';
import type { Termination } from '../../src/kit/refusal.ts';

/** H.264: annex B. `pts` in ticks of 90 kHz. */
export interface CodedPicture {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly pts: number;
  readonly key: boolean;
}

/** What may be encoded: see `encodeSpec`. */
export interface EncodeSpec {
  readonly codec: VideoCodec;
  readonly maxBlocks: number;
  readonly maxBlocksPerSecond: number;
  readonly maxFps: number;
  readonly bitrateBps: number;
  readonly sliceBytes?: number;
  readonly maxLevel?: number;
}

export type JobSpec =
  | { readonly kind: 'transcode'; readonly encode: EncodeSpec }
  | {
      readonly kind: 'grid';
      readonly encode: EncodeSpec;
      readonly width: number;
      readonly height: number;
      readonly cells: number;
    };

/** Messages with an `id` are answered by `done`, in order. */
export type ToWorker =
  | { readonly type: 'open'; readonly job: number; readonly spec: JobSpec }
  | {
      readonly type: 'pictures';
      readonly job: number;
      readonly id: number;
      readonly cell: number;
      readonly codec: VideoCodec;
      readonly pictures: readonly CodedPicture[];
    }
  | { readonly type: 'compose'; readonly job: number; readonly id: number; readonly pts: number }
  | { readonly type: 'key'; readonly job: number }
  | { readonly type: 'bitrate'; readonly job: number; readonly bps: number }
  /** How many cells the grid has. */
  | { readonly type: 'cells'; readonly job: number; readonly count: number }
  /** This cell is empty now. */
  | { readonly type: 'clear'; readonly job: number; readonly cell: number }
  | { readonly type: 'close'; readonly job: number };

export type FromWorker =
  | { readonly type: 'ready' }
  /** FFmpeg cannot be loaded. */
  | { readonly type: 'missing'; readonly why: Termination }
  | {
      readonly type: 'done';
      readonly job: number;
      readonly id: number;
      readonly coded: readonly CodedPicture[];
      /** A picture was malformed: the decoder cannot go on without a keyframe. */
      readonly broken: boolean;
    }
  /** The job cannot go on; it is closed. */
  | { readonly type: 'failed'; readonly job: number; readonly why: Termination };

/** A worker's end of it. */
export interface WorkerPort {
  postMessage(m: FromWorker, transfer: readonly ArrayBuffer[]): void;
  on(event: 'message', listener: (m: ToWorker) => void): unknown;
}
