import type { MediaPacket, VideoCodec } from '../../src/contract.ts';
import { writeAnnexB } from '../h264/annexb.ts';
import { h264Depacketizer } from '../h264/depacketize.ts';
import type { PictureLoss } from '../in-order.ts';
import { vp8Depacketizer } from '../vp8/depacketize.ts';
import type { Planes } from './pattern-draw.ts';
import { openPictureDecoder } from './picture-decoder.ts';

export interface VideoDecoder {
  push(p: MediaPacket): void;
  /** The next packet is of a new sequence. */
  restart(): void;
  /** Coded pictures that FFmpeg could not read. */
  readonly malformed: number;
  close(): void;
}

/**
 * RTP payloads to raw 4:2:0 pictures, in this very thread: for dialers and tests. `on` gets each picture, borrowed;
 * `lost` what could not be put together. Rejects with a Refusal.
 */
export async function openVideoDecoder(
  codec: VideoCodec,
  on: (picture: Planes, pts: number) => void,
  lost: (why: PictureLoss) => void = () => {},
): Promise<VideoDecoder> {
  const decoder = await openPictureDecoder(codec);
  let malformed = 0;
  const decode = (bytes: Uint8Array, pts: number): void => {
    const whole = decoder.decode(bytes, pts, frame => {
      const { width, height, linesize, data } = frame;
      on({ width, height, data: data ?? [], strides: linesize }, Number(frame.pts));
    });
    if (!whole) malformed++;
  };
  const units =
    codec === 'H264'
      ? h264Depacketizer(unit => decode(writeAnnexB(unit.units), unit.pts), lost)
      : vp8Depacketizer(p => decode(p.bytes, p.pts), lost);
  return {
    push: p => units.push(p),
    restart: () => units.reset(),
    get malformed() {
      return malformed;
    },
    close: () => decoder.close(),
  };
}
