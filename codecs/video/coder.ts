import type { Frame } from 'node-av/lib';
import type { Av } from '../av.ts';
import { fitBlocks, macroblocks, type Size } from './fit.ts';
import { openEncoderWith, type PictureEncoder } from './picture-encoder.ts';
import { Scaler } from './scaler.ts';
import type { CodedPicture, EncodeSpec } from './wire.ts';

const CLOCK_HZ = 90_000;
/** Pts further back than this are of a new line of time, less far are of pictures shown again. */
const NEW_LINE_TICKS = 2 * CLOCK_HZ;
/** An encoder that cannot change its rate is opened anew, at the price of a keyframe, for changes beyond this. */
const WORTH_REOPENING = 0.15;

/** Raw pictures of any size in, coded ones out: scaled down to what the receiver takes, thinned out to its rate. */
export class Coder {
  readonly #lib: Av;
  readonly #spec: EncodeSpec;
  readonly #scaler: Scaler;
  #encoder: PictureEncoder | undefined;
  #source: Size = { width: 0, height: 0 };
  #size: Size = { width: 0, height: 0 };
  #fps = 0;
  #bitrateBps: number;
  #encodedBps = 0;
  #key = true;
  #lastIn = Number.NaN;
  #lastOut = -1;
  #offset = 0;
  /** Pictures it may encode now: grows with media time, `fps` a second. */
  #allowance = 1;

  constructor(lib: Av, spec: EncodeSpec) {
    this.#lib = lib;
    this.#spec = spec;
    this.#scaler = new Scaler(lib);
    this.#bitrateBps = spec.bitrateBps;
  }

  key(): void {
    this.#key = true;
  }

  bitrate(bps: number): void {
    this.#bitrateBps = bps;
  }

  /** Throws a Refusal when the encoder does not take what it should make. */
  encode(frame: Frame, pts: number, out: CodedPicture[]): void {
    if (frame.width !== this.#source.width || frame.height !== this.#source.height) this.#resize(frame);
    if (!this.#due(pts)) return;
    const scaled = this.#scaler.scale(frame, this.#size.width, this.#size.height);
    if (scaled === undefined) return;
    const encoder = this.#open();
    const key = this.#key;
    this.#key = false;
    this.#lastOut = Math.max(this.#lastOut + 1, Math.round(pts + this.#offset));
    encoder.encode(scaled, this.#lastOut, key, (bytes, at, isKey) => {
      out.push({ bytes: Uint8Array.from(bytes), pts: at, key: isKey });
    });
  }

  close(): void {
    this.#encoder?.close();
    this.#encoder = undefined;
    this.#scaler.close();
  }

  #resize({ width, height }: Size): void {
    const spec = this.#spec;
    this.#source = { width, height };
    const size = fitBlocks(width, height, spec.maxBlocks);
    this.#fps = Math.min(spec.maxFps, spec.maxBlocksPerSecond / macroblocks(size.width, size.height));
    if (size.width === this.#size.width && size.height === this.#size.height) return;
    this.#size = size;
    this.#encoder?.close();
    this.#encoder = undefined;
  }

  /** Whether the picture at `pts` is wanted, by the frame rate; follows `pts` to new lines of time. */
  #due(pts: number): boolean {
    const step = pts - this.#lastIn;
    if (step < -NEW_LINE_TICKS) this.#offset = this.#lastOut + CLOCK_HZ / 30 - pts;
    this.#lastIn = pts;
    if (step > 0) this.#allowance = Math.min(1.5, this.#allowance + (step * this.#fps) / CLOCK_HZ);
    // A hair less than one: 30 a second in ticks of 90 kHz does not sum up exactly.
    if (this.#allowance < 0.99 && !this.#key) return false;
    this.#allowance = Math.max(0, this.#allowance - 1);
    return true;
  }

  #open(): PictureEncoder {
    const bps = this.#bitrateBps;
    if (this.#encoder !== undefined && bps !== this.#encodedBps) {
      const small = Math.abs(bps - this.#encodedBps) < this.#encodedBps * WORTH_REOPENING;
      if (this.#encoder.bitrate(bps)) this.#encodedBps = bps;
      else if (!small) {
        this.#encoder.close();
        this.#encoder = undefined;
      }
    }
    if (this.#encoder !== undefined) return this.#encoder;
    const { codec, sliceBytes, maxLevel } = this.#spec;
    this.#encodedBps = bps;
    this.#encoder = openEncoderWith(this.#lib, {
      codec,
      ...this.#size,
      fps: this.#fps,
      bitrateBps: bps,
      ...(sliceBytes === undefined ? {} : { sliceBytes }),
      ...(maxLevel === undefined ? {} : { maxLevel }),
    });
    return this.#encoder;
  }
}
