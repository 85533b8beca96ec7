import { type Avcc, readAvcc } from '../../codecs/h264/avcc.ts';
import { H264FormatWatch } from '../../codecs/h264/format.ts';
import { NalType, nalType, readLengthPrefixed } from '../../codecs/h264/nal.ts';
import { type EmitPayload, h264Packetizer, startsDecoding } from '../../codecs/h264/packetize.ts';
import { isSlice, readSlice } from '../../codecs/h264/slice.ts';
import type { Format, MediaPacket, Millis, Publication, StreamStats } from '../../src/contract.ts';
import { refuse } from '../../src/kit/refusal.ts';
import { readVideoTag, type VideoTag } from '../../src/proto/rtmp/flv.ts';
import { PictureMeter, sizeOf } from '../../src/proto/rtp/picture-meter.ts';

const TICKS_PER_MS = 90;

const UNREADABLE = {
  'avc-config': 'the AVC sequence header cannot be read',
  'avc-sps': 'its SPS cannot be read, or its pictures are larger than level 5.2 (36864 macroblocks)',
  'picture-before-config': 'they came before an AVC sequence header that can be read',
  'avc-units': 'the lengths of their NAL units are wrong',
} as const;

export interface VideoInNeeds {
  publish(format: Format): Publication;
  /** Tells the publisher and the ladder, in a sentence, that it is not seen. */
  pictureless(text: string): void;
  note(text: string): void;
  drop(reason: string): void;
  readonly bFrames: 'transcode' | 'refuse';
  readonly source: 'camera' | 'screen';
}

/** The picture of a publisher: AVC access units to RTP payloads, parameter sets in-band before every keyframe. */
export class VideoIn {
  readonly #needs: VideoInNeeds;
  readonly #pack = h264Packetizer();
  readonly #packet: MediaPacket = { seq: 0, pts: 0, marker: false, payload: new Uint8Array(0) };
  #publication: Publication | undefined;
  #config: Avcc | undefined;
  readonly #watch = new H264FormatWatch(format => this.#turnTo(format));
  readonly #meter = new PictureMeter();
  #format: Format | undefined;
  #latest = Number.NEGATIVE_INFINITY;
  #clockAt = Number.NEGATIVE_INFINITY;
  #reorders = false;
  #paused = false;
  #unsupported = '';
  readonly #complained = new Set<string>();
  #now: Millis = 0;
  #packets = 0;
  #bytes = 0;
  #closed = false;
  constructor(needs: VideoInNeeds) {
    this.#needs = needs;
  }

  /** True when it was picture. Throws a Refusal for B-frames where they are refused. */
  tag(body: Uint8Array, ms: number, now: Millis): boolean {
    const tag = readVideoTag(body);
    this.#now = now;
    switch (tag.type) {
      case 'config':
        this.#configure(tag.record);
        return true;
      case 'frame':
        this.#frame(tag, ms);
        return true;
      case 'unsupported':
        if (tag.codec !== this.#unsupported)
          this.#needs.pictureless(
            `This stream has no picture here: ${tag.codec} is not carried; send H.264.`,
          );
        this.#unsupported = tag.codec;
        return true;
      case 'junk':
        this.#needs.drop('video-tag');
        return false;
      case 'end':
      case 'nothing':
        return false;
    }
  }

  pause(on: boolean): void {
    this.#paused = on;
    this.#publication?.pause(on);
  }

  stats(now: Millis): StreamStats[] {
    if (this.#packets === 0) return [];
    return [
      {
        media: this.#needs.source === 'screen' ? 'screen' : 'video',
        direction: 'in',
        codec: 'H264',
        how: 'passthrough',
        packets: this.#packets,
        bytes: this.#bytes,
        ...sizeOf(this.#format),
        ...this.#meter.rates(now),
        freezes: this.#meter.freezes,
      },
    ];
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#publication?.close();
  }

  #configure(record: Uint8Array): void {
    const config = readAvcc(record);
    if (config === undefined) return this.#unreadable('avc-config');
    this.#config = config; // views into the message, which is ours to keep
  }

  #frame(tag: Extract<VideoTag, { type: 'frame' }>, ms: number): void {
    const config = this.#config;
    if (config === undefined) return this.#unreadable('picture-before-config');
    const units = readLengthPrefixed(tag.units, config.lengthSize);
    if (units === undefined || units.length === 0) return this.#unreadable('avc-units');
    const key = startsDecoding(units) || tag.key;
    if (this.#publication === undefined && !key) return this.#needs.drop('before-keyframe');
    const own = units.find(unit => nalType(unit) === NalType.sps);
    if (key) {
      // Parameter sets in front of every keyframe, so that whoever joins there can begin (RFC 6184 §8.4).
      if (own === undefined) units.unshift(...config.sps, ...config.pps);
      if (!this.#watch.sps(own ?? (config.sps[0] as Uint8Array))) return this.#unreadable('avc-sps');
    }
    const slice = units.find(unit => isSlice(nalType(unit)));
    const type = slice && readSlice(slice)?.type;
    if (type !== undefined) this.#watch.slice(type);
    this.#send(units, key, (ms + tag.compositionMs) * TICKS_PER_MS);
  }

  #send(units: readonly Uint8Array[], key: boolean, pts: number): void {
    const publication = this.#publication as Publication;
    if (pts < this.#latest) this.#sawReordering();
    this.#latest = Math.max(this.#latest, pts);
    const captureMs = pts / TICKS_PER_MS;
    if (Math.abs(captureMs - this.#clockAt) >= 1000) {
      this.#clockAt = captureMs;
      publication.clock(pts, captureMs);
    }
    this.#packet.pts = pts;
    this.#pack(units, key, this.#emit);
  }

  readonly #emit: EmitPayload = (payload, mark) => {
    const packet = this.#packet;
    packet.seq++;
    packet.payload = payload;
    packet.marker = mark.end;
    packet.frame = mark;
    this.#packets++;
    this.#bytes += payload.length;
    this.#meter.packet(payload.length, mark.end, this.#now);
    (this.#publication as Publication).sink(packet, this.#now);
  };

  /** Counted each time, told once. */
  #unreadable(reason: keyof typeof UNREADABLE): void {
    this.#needs.drop(reason);
    if (this.#complained.has(reason)) return;
    this.#complained.add(reason);
    this.#needs.pictureless(
      `Pictures of this stream are dropped (${reason}): ${UNREADABLE[reason]}; sound goes on.`,
    );
  }

  /** The first, or another size, profile or depth of reordering. */
  #turnTo(format: Format): void {
    this.#format = format;
    if (this.#publication === undefined) {
      this.#publication = this.#needs.publish(format);
      if (this.#paused) this.#publication.pause(true);
    } else this.#publication.format(format);
    const { 'profile-level-id': profile, 'x-size': size } = format.fmtp ?? {};
    this.#needs.note(`picture: H.264 profile-level-id ${profile}, ${size}`);
  }

  /** A picture shown before one decoded earlier: the stream has B-frames. */
  #sawReordering(): void {
    if (this.#needs.bFrames === 'refuse')
      throw refuse(
        'client',
        'b-frames',
        'This stream has B-frames, which rtmp.bFrames refuses: set the encoder to 0 B-frames (OBS: "bframes=0"; ffmpeg: -bf 0).',
      );
    if (this.#reorders) return;
    this.#reorders = true;
    this.#needs.note(
      'picture: B-frames: RTMP players get them as they are, browsers and phones a transcoded picture',
    );
  }
}
