import type { CodecContext, Frame, Packet } from 'node-av/lib';
import type { VideoCodec } from '../../src/contract.ts';
import { type Av, mustOpen } from '../av.ts';
import { levelFor } from '../h264/level.ts';
import { macroblocks } from './fit.ts';

export interface EncoderSettings {
  readonly codec: VideoCodec;
  /** Even. */
  readonly width: number;
  readonly height: number;
  /** Nominal: what the rate control counts with. */
  readonly fps: number;
  readonly bitrateBps: number;
  /** H.264: no slice (NAL unit) is longer than about this. */
  readonly sliceBytes?: number;
  /** H.264: level_idc not to exceed. */
  readonly maxLevel?: number;
}

export interface PictureEncoder {
  /** `frame`: 4:2:0, of the encoder's size. `pts` must grow, 90 kHz. `on`: each coded picture, borrowed (annex B). */
  encode(
    frame: Frame,
    pts: number,
    key: boolean,
    on: (bytes: Uint8Array, pts: number, key: boolean) => void,
  ): void;
  /** True when it now encodes at this rate; false: it must be opened anew. */
  bitrate(bps: number): boolean;
  close(): void;
}

/** Whoever cannot ask for a keyframe gets one this often. */
const KEYFRAME_EVERY_S = 10;

/** Synchronous: for a worker, or the test pattern. Throws a Refusal when FFmpeg does not take the settings. */
export function openEncoderWith(lib: Av, s: EncoderSettings): PictureEncoder {
  const h264 = s.codec === 'H264';
  const codec = lib.Codec.findEncoderByName(h264 ? lib.FF_ENCODER_LIBX264 : lib.FF_ENCODER_LIBVPX_VP8)!;
  const context = new lib.CodecContext();
  context.allocContext3(codec);
  context.width = s.width;
  context.height = s.height;
  context.pixelFormat = lib.AV_PIX_FMT_YUV420P;
  context.timeBase = new lib.Rational(1, 90_000);
  context.framerate = new lib.Rational(Math.max(1, Math.round(s.fps)), 1);
  context.gopSize = Math.max(1, Math.round(s.fps * KEYFRAME_EVERY_S));
  context.maxBFrames = 0;
  context.threadCount = 1;
  rate(context, s.bitrateBps);
  for (const [name, value] of Object.entries(h264 ? x264Options(s) : VPX_OPTIONS))
    lib.Option.set(context.getNative(), name, value, lib.AV_OPT_SEARCH_CHILDREN);
  mustOpen(context, codec, `${s.codec} at ${s.width}×${s.height} and ${s.bitrateBps} bit/s`);
  const packet: Packet = new lib.Packet();
  packet.alloc();
  let open = true;
  return {
    encode(frame, pts, key, on) {
      frame.pts = BigInt(pts);
      frame.pictType = key ? lib.AV_PICTURE_TYPE_I : lib.AV_PICTURE_TYPE_NONE;
      context.sendFrameSync(frame);
      while (context.receivePacketSync(packet) >= 0) {
        const { data } = packet;
        if (data !== null) on(data, Number(packet.pts), packet.isKeyframe);
        packet.unref();
      }
    },
    bitrate(bps) {
      if (h264) rate(context, bps); // libx264 takes it over with the next picture; libvpx does not
      return h264;
    },
    close() {
      if (!open) return;
      open = false;
      context.freeContext();
      packet.free();
    },
  };
}

/** Constant bit rate with half a second of room. */
function rate(context: CodecContext, bps: number): void {
  context.bitRate = context.rcMaxRate = context.rcMinRate = BigInt(Math.round(bps));
  context.rcBufferSize = Math.round(bps / 2);
}

/** Constrained baseline: what every H.264 decoder takes. Parameter sets stand before every keyframe. */
function x264Options(s: EncoderSettings): Record<string, string> {
  const blocks = macroblocks(s.width, s.height);
  const level = levelFor({ maxFs: blocks, maxMbps: blocks * s.fps, maxBps: s.bitrateBps });
  const slices = s.sliceBytes === undefined ? '' : `:slice-max-size=${s.sliceBytes}`;
  return {
    preset: 'superfast',
    tune: 'zerolatency',
    profile: 'baseline',
    'forced-idr': '1',
    level: levelText(Math.min(level, s.maxLevel ?? 52)),
    'x264-params': `scenecut=0:repeat-headers=1:annexb=1:aud=0${slices}`,
  };
}

const levelText = (level: number): string => (level === 9 ? '1b' : (level / 10).toFixed(1));

/** A fixed speed (negative), since the adaptive one takes its measure of a machine that does other things too. */
const VPX_OPTIONS: Record<string, string> = {
  deadline: 'realtime',
  'cpu-used': '-8',
  'lag-in-frames': '0',
  'auto-alt-ref': '0',
  'max-intra-rate': '400',
  'static-thresh': '100',
};
