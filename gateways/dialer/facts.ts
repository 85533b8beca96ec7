import type { CodecName } from '../../src/contract.ts';
import type { Sight } from './eye.ts';
import type { Heard } from './listening.ts';

/** One step of the set-up, ms from the start. */
export interface Step {
  readonly name: string;
  readonly atMs: number;
  readonly detail?: string | undefined;
}

export interface Direction {
  readonly packets: number;
  readonly lossPercent?: number | undefined;
  readonly jitterMs?: number | undefined;
}

/** Our pictures, as we sent them and as the server says it got them. */
export interface PictureOut {
  readonly codec: 'H264';
  readonly width: number;
  readonly height: number;
  readonly fps: number;
  readonly packets: number;
  readonly reports: number;
  /** The server says that it received some (RTCP), or gave them back (RTMP). */
  readonly reported: boolean;
  readonly lossPercent?: number | undefined;
  /** By the server, of us. */
  readonly keyframesAsked: number;
  /** Through the server and back to us, decoded: by the clock in the picture. RTMP only. */
  readonly backMs?: number | undefined;
}

/** `firstFrameMs`: from the set-up to the first decoded picture. */
export type PictureIn = Omit<Sight, 'firstAt'> & { readonly firstFrameMs?: number };

/** Everything a dial found out. */
export interface Facts {
  readonly target: string;
  readonly steps: readonly Step[];
  /** What the reader should know besides: a certificate taken on trust. */
  readonly notes: readonly string[];
  readonly codec?: CodecName | undefined;
  /** Address our media goes to. */
  readonly mediaTo?: string | undefined;
  /** From the start until media could flow. */
  readonly setUpMs?: number | undefined;
  readonly talkedMs: number;
  /** Round trip by RTCP. */
  readonly rttMs?: number | undefined;
  /** How `reported` is known: by RTCP, by playing one's own stream, or not at all because nothing is sent. */
  readonly proof?: 'rtcp' | 'playback' | 'none' | undefined;
  /** `reports`: RTCP reports that came; `reported`: one said that it received our sound. */
  readonly out: Direction & { readonly reports: number; readonly reported: boolean };
  readonly in: Direction & Heard;
  readonly expectHz?: number | undefined;
  /** Absent: none was sent. */
  readonly pictureOut?: PictureOut | undefined;
  /** Absent: none could be looked at. */
  readonly pictureIn?: PictureIn | undefined;
  readonly expectPicture?: boolean | undefined;
}

/** What the server's RTCP says of a stream of ours. */
export interface Outward {
  packets: number;
  reports: number;
  reported: boolean;
  lossPercent?: number | undefined;
  jitterMs?: number | undefined;
  rttMs?: number | undefined;
}
