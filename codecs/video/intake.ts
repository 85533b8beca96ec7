import type { Frame } from 'node-av/lib';
import type { VideoCodec } from '../../src/contract.ts';
import type { Av } from '../av.ts';
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
    this.#decoder ??= openDecoderWith(this.#lib, codec);
    for (const p of pictures) {
      if (this.#waitKey && !p.key) continue;
      this.#waitKey = !this.#decoder.decode(p.bytes, p.pts, on);
    }
    return !this.#waitKey;
  }

  close(): void {
    this.#decoder?.close();
    this.#decoder = undefined;
    this.#waitKey = true;
  }
}
