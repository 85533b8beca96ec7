import { writeAvcc } from '../../codecs/h264/avcc.ts';
import { DecodeTimes } from '../../codecs/h264/decode-time.ts';
import { type AccessUnit, h264Depacketizer } from '../../codecs/h264/depacketize.ts';
import { isParameterSet, NalType, nalType } from '../../codecs/h264/nal.ts';
import { readSps } from '../../codecs/h264/sps.ts';
import type { Format, MediaPacket, Millis, StreamStats } from '../../src/contract.ts';
import { avcConfigTag, avcFrameTag } from '../../src/proto/rtmp/flv.ts';
import { PictureMeter, sizeOf } from '../../src/proto/rtp/picture-meter.ts';
import type { TagSink } from './audio-out.ts';

export interface VideoOutNeeds extends TagSink {
  drop(reason: string): void;
  /** The picture cannot go on without a keyframe. */
  wantKeyframe(): void;
}

/**
 * What a player sees: RTP payloads to FLV tags. NAL units stay as they are; parameter sets move into the avcC record,
 * which goes out when they change; a picture begins at a keyframe.
 */
export class VideoOut {
  readonly #needs: VideoOutNeeds;
  readonly #units = h264Depacketizer(
    unit => this.#unit(unit),
    why => {
      this.#needs.drop(why);
      if (why !== 'before-keyframe' && why !== 'reordered-late') this.#needs.wantKeyframe();
    },
  );
  readonly #decode = new DecodeTimes();
  readonly #meter = new PictureMeter();
  #format: Format | undefined;
  #record: Uint8Array = new Uint8Array(0);
  #waitKey = true;
  #now: Millis = 0;
  #last = Number.NEGATIVE_INFINITY;
  packets = 0;
  bytes = 0;
  constructor(needs: VideoOutNeeds) {
    this.#needs = needs;
  }

  /** Another source: a new line of times and numbers, from a keyframe on. */
  serving(format: Format): void {
    this.#format = format;
    this.#meter.restart();
    this.#units.reset();
    this.#decode.reset();
    this.#waitKey = true;
  }

  /** Packets were kept from us on purpose: the player paused. On from the next keyframe. */
  restart(): void {
    this.#units.reset();
    this.skipToKeyframe();
  }

  /** The player had lagged behind. On from the next keyframe. */
  skipToKeyframe(): void {
    this.#waitKey = true;
    this.#needs.wantKeyframe();
  }

  packet(p: MediaPacket, now: Millis): void {
    this.#now = now;
    this.#units.push(p);
  }

  #unit(unit: AccessUnit): void {
    const dts = this.#decode.next(unit.pts);
    const at = Math.max(this.#last, this.#timeOf(dts));
    if (!this.#needs.open()) {
      this.#waitKey = true; // what is missed now is mended by the next keyframe
      return;
    }
    if (this.#waitKey && !unit.key) return this.#needs.drop('before-keyframe');
    this.#announce(unit.units, at);
    const picture = unit.units.filter(u => !isParameterSet(u));
    if (this.#record.length === 0 || picture.length === 0) return;
    // Shown when its own time says, even where the decode time had to wait for the one before.
    const compositionMs = unit.pts === dts ? 0 : Math.round(this.#timeOf(unit.pts) - at);
    this.#needs.send(at, avcFrameTag(unit.key, compositionMs, picture));
    this.#waitKey = false;
    this.#last = at;
    this.packets++;
    let bytes = 0;
    for (const u of picture) bytes += u.length;
    this.bytes += bytes;
    this.#meter.packet(bytes, true, this.#now);
  }

  /** Of the pictures themselves, for the API. */
  seen(now: Millis): Partial<StreamStats> {
    return { ...sizeOf(this.#format), ...this.#meter.rates(now), freezes: this.#meter.freezes };
  }

  #timeOf(pts: number): Millis {
    return this.#needs.timeOf(pts) ?? this.#now;
  }

  /** Sends the avcC record of new parameter sets. */
  #announce(units: readonly Uint8Array[], at: Millis): void {
    const sps = units.filter(u => nalType(u) === NalType.sps && u.length >= 4);
    const pps = units.filter(u => nalType(u) === NalType.pps);
    if (sps.length === 0 || sps.length > 31 || pps.length === 0 || pps.length > 255) return;
    const record = writeAvcc(sps, pps);
    if (Buffer.compare(record, this.#record) === 0) return;
    this.#record = record;
    this.#decode.deepen(readSps(sps[0] as Uint8Array)?.reorderFrames ?? 0);
    this.#needs.send(at, avcConfigTag(record));
  }
}
