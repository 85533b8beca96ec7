import type { FrameMark, MediaPacket, Millis, Sink, VideoCodec } from '../../src/contract.ts';
import { readAnnexB } from '../h264/annexb.ts';
import { NalType, nalType } from '../h264/nal.ts';
import { h264Packetizer } from '../h264/packetize.ts';
import { vp8Packetizer } from '../vp8/packetize.ts';
import { loadVideoAv } from './av.ts';
import type { PatternColour } from './pattern-code.ts';
import { drawPattern } from './pattern-draw.ts';
import { openEncoderWith } from './picture-encoder.ts';
import { blankFrame } from './scaler.ts';

export interface PatternOptions {
  readonly codec: VideoCodec;
  /** Even. */
  readonly width: number;
  readonly height: number;
  readonly fps: number;
  readonly colour: PatternColour;
  /** Default: what the size asks for. */
  readonly bitrateBps?: number;
}

export interface PatternPicture {
  /** H.264: its NAL units, SPS and PPS before each keyframe. VP8: one entry, the picture. */
  readonly units: readonly Uint8Array[];
  /** 90 kHz; evenly spaced, from 0. */
  readonly pts: number;
  readonly key: boolean;
  readonly frameNumber: number;
}

export interface Pattern {
  /** The next picture; `clockMs` is burned in. */
  next(clockMs: number): PatternPicture;
  /** The same as packets of the RTP payload format, frame marks set; borrowed. */
  send(clockMs: number, sink: Sink<MediaPacket>, now: Millis): PatternPicture;
  requestKey(): void;
  close(): void;
}

/** A moving picture that says who it is, which picture it is, and when it was made. Rejects with a Refusal. */
export async function openPattern(o: PatternOptions): Promise<Pattern> {
  const lib = await loadVideoAv();
  const bitrateBps = o.bitrateBps ?? Math.round(100_000 + o.width * o.height * o.fps * 0.05);
  const encoder = openEncoderWith(lib, { ...o, bitrateBps });
  const frame = blankFrame(lib, o.width, o.height);
  const packet: MediaPacket = { seq: 0, pts: 0, marker: false, payload: new Uint8Array(0) };
  const packH264 = h264Packetizer();
  const packVp8 = vp8Packetizer();
  let frameNumber = 0;
  let key = false;

  const next = (clockMs: number): PatternPicture => {
    if (!frame.isWritable) frame.makeWritable();
    const planes = { width: o.width, height: o.height, data: frame.data ?? [], strides: frame.linesize };
    drawPattern(planes, o.colour, frameNumber, Math.floor(clockMs));
    const pts = Math.round((frameNumber * 90_000) / o.fps);
    let coded: { bytes: Uint8Array; key: boolean } | undefined;
    encoder.encode(frame, pts, key, (bytes, _, isKey) => {
      coded = { bytes: Uint8Array.from(bytes), key: isKey };
    });
    key = false;
    const bytes = coded?.bytes ?? new Uint8Array(0);
    const units =
      o.codec === 'H264' ? readAnnexB(bytes).filter(unit => nalType(unit) !== NalType.sei) : [bytes];
    return { units, pts, key: coded?.key ?? false, frameNumber: frameNumber++ };
  };

  return {
    next,
    send(clockMs, sink, now) {
      const picture = next(clockMs);
      packet.pts = picture.pts;
      const emit = (payload: Uint8Array, mark: FrameMark): void => {
        packet.seq++;
        packet.payload = payload;
        packet.marker = mark.end;
        packet.frame = mark;
        sink(packet, now);
      };
      if (o.codec === 'H264') packH264(picture.units, picture.key, emit);
      else packVp8(picture.units[0] as Uint8Array, emit);
      return picture;
    },
    requestKey() {
      key = true;
    },
    close() {
      encoder.close();
      frame.free();
    },
  };
}
