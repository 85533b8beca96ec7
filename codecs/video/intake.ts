import type { Frame } from 'node-av/lib';
import type { VideoCodec } from '../../src/contract.ts';
import type { Av } from '../av.ts';
import { readAnnexB } from '../h264/annexb.ts';
import { NalType, nalType } from '../h264/nal.ts';
import { readSps } from '../h264/sps.ts';
import { openDecoderWith, type PictureDecoder } from './picture-decoder.ts';
import type { CodedPicture } from './wire.ts';

/** Decodes one track, whatever its codec; after a malformed picture nothing until the next keyframe. */
export class Intake {
  readonly #lib: Av;
  #codec: VideoCodec | undefined;
  #decoder: PictureDecoder | undefined;
  #waitKey = true;
  constructor(lib: Av) {
    this.#lib = lib;
  }

  /** False when it cannot go on without a keyframe: one was malformed. `on`: each picture that comes out, borrowed. */
  decode(codec: VideoCodec, pictures: readonly CodedPicture[], on: (frame: Frame) => void): boolean {
    if (codec !== this.#codec) this.close();
    this.#codec = codec;
    for (const p of pictures) {
      if (this.#waitKey && !p.key) continue;
      if (p.key && this.#isDeeper(p.bytes)) this.close();
      this.#decoder ??= openDecoderWith(this.#lib, codec);
      if (this.#decoder.decode(p.bytes, p.pts, on)) this.#waitKey = false;
      else this.close(); // what broken pictures left in it would be in the way of the next ones
    }
    return !this.#waitKey;
  }

  close(): void {
    this.#decoder?.close();
    this.#decoder = undefined;
    this.#waitKey = true;
  }

  /** Broken pictures have made the decoder hold back more than this stream's SPS asks for: delay for ever. */
  #isDeeper(key: Uint8Array): boolean {
    const depth = this.#decoder?.depth ?? 0;
    if (this.#codec !== 'H264' || depth === 0) return false;
    const sps = readAnnexB(key).find(unit => nalType(unit) === NalType.sps);
    return depth > ((sps && readSps(sps)?.reorderFrames) ?? depth);
  }
}
