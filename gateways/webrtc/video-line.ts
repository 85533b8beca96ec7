import type { Format, Subscription, Want } from '../../src/contract.ts';
import { RateLimit } from '../../src/kit/limits.ts';
import { LossEstimate } from '../../src/proto/rtp/loss-estimate.ts';
import type { AnsweredMedia } from '../../src/proto/webrtc/answer.ts';
import { PLAYOUT_DELAY, TRANSPORT_CC } from '../../src/proto/webrtc/extensions.ts';
import type { OfferedMedia } from '../../src/proto/webrtc/offer.ts';
import { VideoSender } from '../../src/proto/webrtc/video-sender.ts';
import { PictureMeter } from './picture-meter.ts';
import type { PictureLine } from './plan.ts';

/** Keyframe requests of one line that are heard. */
const KEYFRAMES_PER_SECOND = 5;
/** Says that a line has no limit that matters. A number, because it may cross processes. */
export const NO_LIMIT_BPS = 1_000_000_000;
/** One-byte header extensions (RFC 8285 §4.2). */
const MAX_ID = 14;

/** One line of a player's pictures. */
export interface Line extends PictureLine {
  readonly want: Want;
  readonly stream: string;
  readonly sender: VideoSender;
  readonly meter: PictureMeter;
  readonly keyframes: RateLimit;
  readonly transportCc: boolean;
  /** Where the browser tells no more than what was lost. */
  readonly loss: LossEstimate;
  subscription: Subscription | undefined;
  /** What is played now; undefined: nothing, or nothing this line can carry. */
  format: Format | undefined;
  how: string;
  member: string | undefined;
  /** Gives the log back. */
  release: () => void;
  toldBps: number;
  firSeq: number;
}

/** `random`, `unixAtZero`: as for the sender. */
export function openLine(
  planned: PictureLine,
  want: Want,
  stream: string,
  o: { random: (bytes: number) => Buffer; unixAtZero: number },
): Line {
  const { line, formats } = planned;
  const rtx = formats.every(f => f.rtx !== undefined);
  const transportCcId = rtx ? idOf(line, TRANSPORT_CC) : undefined;
  const playoutDelayId = rtx ? idOf(line, PLAYOUT_DELAY) : undefined;
  return {
    ...planned,
    want,
    stream,
    sender: new VideoSender({
      random: o.random,
      unixAtZero: o.unixAtZero,
      rtx,
      ...(transportCcId !== undefined && { transportCcId }),
      ...(playoutDelayId !== undefined && { playoutDelayId }),
    }),
    meter: new PictureMeter(),
    keyframes: new RateLimit(KEYFRAMES_PER_SECOND, KEYFRAMES_PER_SECOND),
    transportCc: transportCcId !== undefined,
    loss: new LossEstimate(),
    subscription: undefined,
    format: undefined,
    how: 'idle',
    member: undefined,
    release: () => {},
    toldBps: NO_LIMIT_BPS,
    firSeq: -1,
  };
}

export function answerFor(
  { line, sender, stream, formats, transportCc }: Line,
  cname: string,
): AnsweredMedia {
  const { ssrc, rtxSsrc } = sender;
  const rtx = rtxSsrc !== undefined;
  return {
    direction: 'sendonly',
    formats,
    extensions: rtx ? [TRANSPORT_CC, PLAYOUT_DELAY].filter(uri => idOf(line, uri) !== undefined) : [],
    feedback: ['nack', 'nack pli', 'ccm fir', ...(transportCc ? ['transport-cc'] : [])],
    rtx,
    source: { ssrc, cname, stream, track: `picture-${ssrc}`, ...(rtx && { rtxSsrc }) },
  };
}

/** Id of a header extension of the line, if it can be written in the one-byte form. */
function idOf(line: OfferedMedia, uri: string): number | undefined {
  const id = line.extensions.get(uri);
  return id !== undefined && id >= 1 && id <= MAX_ID ? id : undefined;
}
