import type { Frame, SoftwareScaleContext } from 'node-av/lib';
import type { Av } from '../av.ts';

/** Any picture to 4:2:0 of a wanted size. The context is kept as long as sizes and formats stay. */
export class Scaler {
  readonly #lib: Av;
  #context: SoftwareScaleContext | undefined;
  #out: Frame | undefined;
  #key = '';
  constructor(lib: Av) {
    this.#lib = lib;
  }

  /** `frame` itself when it is right already, else one of ours, valid until the next call; undefined: it cannot be. */
  scale(frame: Frame, width: number, height: number): Frame | undefined {
    const lib = this.#lib;
    const format = frame.format as number;
    if (frame.width === width && frame.height === height && format === lib.AV_PIX_FMT_YUV420P) return frame;
    const key = `${frame.width}x${frame.height}:${format} ${width}x${height}`;
    if (key !== this.#key) this.#open(frame, width, height);
    this.#key = key;
    const out = this.#out as Frame;
    if (!out.isWritable) out.makeWritable(); // an encoder may still hold the last one
    return (this.#context as SoftwareScaleContext).scaleFrameSync(out, frame) >= 0 ? out : undefined;
  }

  close(): void {
    this.#context?.freeContext();
    this.#out?.free();
    this.#context = this.#out = undefined;
    this.#key = '';
  }

  #open(frame: Frame, width: number, height: number): void {
    const lib = this.#lib;
    this.close();
    this.#out = blankFrame(lib, width, height);
    this.#context = new lib.SoftwareScaleContext();
    this.#context.getContext(
      frame.width,
      frame.height,
      frame.format as Parameters<SoftwareScaleContext['getContext']>[2],
      width,
      height,
      lib.AV_PIX_FMT_YUV420P,
      lib.SWS_BILINEAR,
    );
  }
}

/** A 4:2:0 picture of undefined content. */
export function blankFrame(lib: Av, width: number, height: number): Frame {
  const frame = new lib.Frame();
  frame.alloc();
  frame.format = lib.AV_PIX_FMT_YUV420P;
  frame.width = width;
  frame.height = height;
  frame.getBuffer(0);
  return frame;
}
