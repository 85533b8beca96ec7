import type { Frame, Packet } from 'node-av/lib';
import type { VideoCodec } from '../../src/contract.ts';
import { type Av, mustOpen } from '../av.ts';
import { loadVideoAv } from './av.ts';

/** Larger pictures are refused: level 5.2 of H.264, 36864 macroblocks. */
const MAX_PIXELS = 36_864 * 256;

export interface PictureDecoder {
  /**
   * One coded picture (H.264: annex B) in; `on` is called for each picture that comes out, in the order of showing,
   * `frame` borrowed, its `pts` that of its coded picture. False: it is malformed.
   */
  decode(bytes: Uint8Array, pts: number, on: (frame: Frame) => void): boolean;
  /** How many pictures it holds back to put them in order. It may grow by broken pictures, and never shrinks. */
  readonly depth: number;
  close(): void;
}

/** Synchronous: for a worker, a test or a dialer. */
export async function openPictureDecoder(codec: VideoCodec): Promise<PictureDecoder> {
  return openDecoderWith(await loadVideoAv(), codec);
}

export function openDecoderWith(lib: Av, codec: VideoCodec): PictureDecoder {
  const found = lib.Codec.findDecoder(codec === 'H264' ? lib.AV_CODEC_ID_H264 : lib.AV_CODEC_ID_VP8)!;
  const context = new lib.CodecContext();
  context.allocContext3(found);
  context.threadCount = 1; // frame threads would hold pictures back
  context.pktTimebase = new lib.Rational(1, 90_000);
  lib.Option.set(context.getNative(), 'max_pixels', `${MAX_PIXELS}`, lib.AV_OPT_SEARCH_CHILDREN);
  mustOpen(context, found, `a decoder of ${codec}`);
  const packet: Packet = new lib.Packet();
  const frame: Frame = new lib.Frame();
  packet.alloc();
  frame.alloc();
  let open = true;
  return {
    decode(bytes, pts, on) {
      packet.data = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
      packet.pts = BigInt(pts);
      const sent = context.sendPacketSync(packet);
      packet.unref();
      while (context.receiveFrameSync(frame) >= 0) {
        on(frame);
        frame.unref();
      }
      return sent >= 0;
    },
    get depth() {
      return context.hasBFrames;
    },
    close() {
      if (!open) return;
      open = false;
      context.freeContext();
      packet.free();
      frame.free();
    },
  };
}
