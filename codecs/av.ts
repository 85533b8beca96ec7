/**
 * The only door to FFmpeg (node-av). Its binary is GPL version 3 and may be absent, so it is loaded when a stream
 * first needs it and never before (docs/adr/0003-aac-and-g722-through-node-av.md). Calls are synchronous.
 */
import type { Codec, CodecContext, Frame, Packet } from 'node-av/lib';
import { refuse } from '../src/kit/refusal.ts';

type Lib = typeof import('node-av/lib');
type Constants = typeof import('node-av/constants');
export type Av = Lib & Constants;

const SENTENCE =
  'AAC needs FFmpeg, which the optional package node-av brings, and it is not installed here (or not for this ' +
  'platform); run "npm install node-av", or send opus or G.711 instead.';

let loading: Promise<Av> | undefined;
let failed = false;

/**
 * Why FFmpeg cannot be had, as a sentence (`sentence` of who needs it); undefined when it can, as far as can be told
 * without loading it.
 */
export function missingAv(sentence = SENTENCE): string | undefined {
  if (failed) return sentence;
  try {
    import.meta.resolve('node-av/lib');
    return undefined;
  } catch {
    return sentence;
  }
}

async function load(): Promise<Av> {
  const [lib, constants] = await Promise.all([import('node-av/lib'), import('node-av/constants')]);
  lib.Log.setLevel(constants.AV_LOG_QUIET); // it would tell every malformed packet on stderr; we count them
  return { ...lib, ...constants };
}

/** FFmpeg, loaded. Rejects with a Refusal in the words of `sentence`. */
export async function loadAv(sentence = SENTENCE): Promise<Av> {
  loading ??= load();
  try {
    return await loading;
  } catch {
    failed = true;
    throw refuse('server', 'codec-missing', sentence);
  }
}

/** Sound as FFmpeg's AAC gives it: one plane of floats (−1 … 1) a channel, borrowed for the call. */
export type Planes = readonly Float32Array[];

export interface AvDecoder {
  /** False when the packet is malformed. `sink` is called for each decoded frame. */
  decode(packet: Uint8Array, sink: (planes: Planes, rateHz: number) => void): boolean;
  close(): void;
}

export interface AvEncoder {
  readonly frameSamples: number;
  /** AudioSpecificConfig. */
  readonly config: Uint8Array;
  /** `fill` writes one frame's planes; `sink` gets each finished packet, borrowed. */
  encode(fill: (planes: Planes) => void, sink: (packet: Uint8Array) => void): void;
  close(): void;
}

const planesOf = (frame: Frame): Planes =>
  (frame.data ?? []).map(
    plane => new Float32Array(plane.buffer, plane.byteOffset, Math.min(frame.nbSamples, plane.length >> 2)),
  );

export function mustOpen(context: CodecContext, codec: Codec, what: string): void {
  // A dictionary here crashes node-av 6.1.1; options are set on the context before, and null is passed.
  if (context.open2Sync(codec, null) >= 0) return;
  context.freeContext();
  throw refuse('client', 'bad-codec-config', `FFmpeg cannot open ${what}; check the stream's codec header.`);
}

/** Raw access units in, planar float out. `config` is the stream's AudioSpecificConfig. */
export async function openAvAacDecoder(config: Uint8Array): Promise<AvDecoder> {
  const lib = await loadAv();
  const codec = lib.Codec.findDecoder(lib.AV_CODEC_ID_AAC)!;
  const context = new lib.CodecContext();
  context.allocContext3(codec);
  context.extraData = Buffer.from(config);
  mustOpen(context, codec, 'this AAC stream');
  const packet: Packet = new lib.Packet();
  const frame: Frame = new lib.Frame();
  packet.alloc();
  frame.alloc();
  return {
    decode(bytes, sink) {
      packet.data = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
      const sent = context.sendPacketSync(packet);
      packet.unref();
      while (context.receiveFrameSync(frame) >= 0) {
        if (frame.format === lib.AV_SAMPLE_FMT_FLTP) sink(planesOf(frame), frame.sampleRate);
        frame.unref();
      }
      return sent >= 0;
    },
    close() {
      context.freeContext();
      packet.free();
      frame.free();
    },
  };
}

export interface AvAacOptions {
  readonly rateHz: number;
  readonly channels: 1 | 2;
  readonly bitrateBps: number;
}

/** AAC-LC: planar float in, raw access units out. */
export async function openAvAacEncoder({ rateHz, channels, bitrateBps }: AvAacOptions): Promise<AvEncoder> {
  const lib = await loadAv();
  const codec = lib.Codec.findEncoderByName(lib.FF_ENCODER_AAC)!;
  const layout = channels === 1 ? lib.AV_CHANNEL_LAYOUT_MONO : lib.AV_CHANNEL_LAYOUT_STEREO;
  const context = new lib.CodecContext();
  context.allocContext3(codec);
  context.sampleRate = rateHz;
  context.sampleFormat = lib.AV_SAMPLE_FMT_FLTP;
  context.channelLayout = layout;
  context.bitRate = BigInt(bitrateBps);
  context.timeBase = new lib.Rational(1, rateHz);
  context.setFlags(lib.AV_CODEC_FLAG_GLOBAL_HEADER); // the config beside the stream, not in it
  // Half the time of the default coder at the same bit rate (codecs/README.md).
  lib.Option.set(context.getNative(), 'aac_coder', 'fast', lib.AV_OPT_SEARCH_CHILDREN);
  mustOpen(context, codec, `AAC at ${rateHz} Hz and ${bitrateBps} bit/s`);
  const packet: Packet = new lib.Packet();
  const frame: Frame = new lib.Frame();
  packet.alloc();
  frame.alloc();
  frame.format = lib.AV_SAMPLE_FMT_FLTP;
  frame.nbSamples = context.frameSize;
  frame.sampleRate = rateHz;
  frame.channelLayout = layout;
  frame.getBuffer(0);
  let pts = 0n;
  return {
    frameSamples: context.frameSize,
    config: Uint8Array.from(context.extraData ?? []),
    encode(fill, sink) {
      if (!frame.isWritable) frame.makeWritable(); // the encoder may still hold the last one
      fill(planesOf(frame));
      frame.pts = pts;
      pts += BigInt(context.frameSize);
      context.sendFrameSync(frame);
      while (context.receivePacketSync(packet) >= 0) {
        if (packet.data !== null) sink(packet.data);
        packet.unref();
      }
    },
    close() {
      context.freeContext();
      packet.free();
      frame.free();
    },
  };
}
