import type { Feedback, Millis } from '../../../contract.ts';
import type { Rtcp } from '../../rtp/rtcp.ts';
import { CopyQueue } from './copies.ts';
import { readPause } from './feedback.ts';
import { OutFlow } from './out-flow.ts';
import { OutTrackStage } from './out-track.ts';
import {
  type AudioPolicy,
  type MediaPolicy,
  PLAIN_AUDIO,
  PLAIN_VIDEO,
  type VideoPolicy,
} from './policy-types.ts';
import { RateMeter } from './rate-meter.ts';
import { RedBuilder } from './red-builder.ts';
import { RED_PATTERNS } from './red-patterns.ts';
import type { SendingTrack, SendLine } from './send-line.ts';
import { flowKey, KIND, kindOf, MAX_FLOW, ssrcOf } from './ssrc.ts';
import { type MediaKind, type OutTrack, type PlaneOptions, SEND_BUFFER_BYTES, type Spread } from './types.ts';

/** Packets under one key; half of what RFC 7714 §5 allows an SRTP key. */
const EPOCH_PACKETS = 2 ** 31;
/** A round trip nobody has measured yet, ms. */
const UNKNOWN_RTT_MS = 100;

/** The sending half of the plane: SSRC numbers, policies, copies; what its tracks share. */
export class PlaneSender implements SendLine {
  readonly #options: PlaneOptions;
  /** Of the current flow of each track, and of the one before. */
  readonly #tracks = new Map<number, SendingTrack>();
  readonly copies: CopyQueue;
  readonly out = new Uint8Array(SEND_BUFFER_BYTES);
  readonly extra = new Uint8Array(SEND_BUFFER_BYTES);
  readonly scratch = new Uint8Array(SEND_BUFFER_BYTES);
  readonly red = new RedBuilder();
  readonly meters: Record<MediaKind, RateMeter> = { audio: new RateMeter(), video: new RateMeter() };
  packetMs = 20;
  audio: AudioPolicy = PLAIN_AUDIO;
  video: VideoPolicy = PLAIN_VIDEO;
  rttMs = UNKNOWN_RTT_MS;
  #epoch = -1;
  #flows = 0;
  #sealed = 0;

  constructor(options: PlaneOptions) {
    this.#options = options;
    this.copies = new CopyQueue(options.transmit);
  }

  track(track: number, kind: MediaKind, clockRate: number, on: (f: Feedback) => void): OutTrack {
    return new OutTrackStage(this, track, kind, clockRate, on);
  }

  setPolicy(p: MediaPolicy): void {
    if (p.kind === 'audio' && RED_PATTERNS[p.pattern] === undefined)
      throw new RangeError(`there is no RED pattern ${p.pattern}`);
    if (p.kind === 'audio') this.audio = p;
    else this.video = p;
  }

  count(reason: string): void {
    this.#options.count(reason);
  }

  emit(
    bytes: Uint8Array,
    length: number,
    copies: number,
    twoPaths: boolean,
    now: Millis,
    atOnce = false,
  ): void {
    const spread: Spread = twoPaths ? 'both' : 'best';
    // First the copy: whoever transmits may write behind the packet, never into it.
    if (atOnce) for (let i = 1; i < copies; i++) this.#options.transmit(bytes, length, spread, now);
    else if (copies > 1) this.copies.add(bytes, length, copies - 1, spread, now);
    this.#options.transmit(bytes, length, spread, now);
  }

  begin(stage: SendingTrack, seq: number, pts: number, now: Millis): OutFlow | undefined {
    const { keys, announce } = this.#options;
    if (this.#flows === MAX_FLOW && keys.sendEpoch === this.#epoch && !keys.nextEpoch()) return undefined;
    this.#follow();
    const ssrc = ssrcOf(this.#epoch, KIND.media, ++this.#flows);
    const { track, kind, clockRate } = stage;
    const flow = new OutFlow(ssrc, this.#epoch, keys.sealer('rtp'), seq, pts);
    this.#tracks.set(flow.key, stage);
    announce({ track, ssrc, seq, pts, kind, clockRate }, now);
    return flow;
  }

  forget(flow: OutFlow): void {
    this.#tracks.delete(flow.key);
  }

  isCurrent(flow: OutFlow): boolean {
    return flow.epoch === this.#options.keys.sendEpoch;
  }

  spend(): void {
    if (++this.#sealed >= EPOCH_PACKETS && this.#options.keys.nextEpoch()) this.#follow();
  }

  rtcp(part: Rtcp, now: Millis): void {
    if (part.type === 'nack') this.#of(part.media)?.asked(part.media, part.lost, now);
    else if (part.type === 'pli') this.#of(part.media)?.told({ type: 'keyframe' }, now);
    else if (part.type === 'remb')
      for (const ssrc of part.ssrcs) this.#of(ssrc)?.told({ type: 'bitrate', bps: part.bps }, now);
    else if (part.type === 'app') {
      const pause = readPause(part);
      if (pause !== undefined) this.#of(pause.ssrc)?.told({ type: 'pause', on: pause.on }, now);
    }
  }

  #of(ssrc: number): SendingTrack | undefined {
    return kindOf(ssrc) === KIND.media ? this.#tracks.get(flowKey(ssrc)) : undefined;
  }

  #follow(): void {
    const { sendEpoch } = this.#options.keys;
    if (sendEpoch === this.#epoch) return;
    this.#epoch = sendEpoch;
    this.#flows = this.#sealed = 0;
  }
}
