import { readU24 } from './message.ts';

/**
 * FLV tag bodies: what RTMP audio and video messages hold. Adobe "Video File Format Specification 10.1" (2010) §E.4,
 * FourCC forms: Veovera "Enhanced RTMP" v2.
 * ```
 * video   |frame 4|codec 4| AVC: |packet 1|composition time 3 (signed ms)| AVCC units, or the avcC record
 *         |1|frame 3|packet 4|fourcc 4| …                                                    enhanced
 * audio   |format 4|rate 2|size 1|channels 1| AAC: |packet 1| raw unit, or AudioSpecificConfig
 *         |9 (4)|packet 4|fourcc 4| …                                                        enhanced
 * ```
 */
export type VideoTag =
  /** AVCDecoderConfigurationRecord. */
  | { readonly type: 'config'; readonly record: Uint8Array }
  /** One access unit: length-prefixed NAL units. `compositionMs` is presentation minus decode time. */
  | {
      readonly type: 'frame';
      readonly key: boolean;
      readonly compositionMs: number;
      readonly units: Uint8Array;
    }
  | { readonly type: 'end' }
  /** Nothing to show: a command frame, metadata of the enhanced form. */
  | { readonly type: 'nothing' }
  | { readonly type: 'unsupported'; readonly codec: string }
  | { readonly type: 'junk' };

export type AudioTag =
  /** AudioSpecificConfig (AAC) or an Opus identification header. */
  | { readonly type: 'config'; readonly codec: 'AAC' | 'opus'; readonly config: Uint8Array }
  | {
      readonly type: 'frame';
      readonly codec: 'AAC' | 'opus' | 'PCMA' | 'PCMU';
      readonly payload: Uint8Array;
    }
  | { readonly type: 'nothing' }
  | { readonly type: 'unsupported'; readonly codec: string }
  | { readonly type: 'junk' };

const AVC = 7;
const VIDEO_CODECS: Readonly<Record<number, string>> = {
  2: 'Sorenson H.263',
  3: 'Screen video',
  4: 'VP6',
  5: 'VP6 with alpha',
  6: 'Screen video 2',
  12: 'HEVC (unofficial)',
};
const AUDIO_CODECS: Readonly<Record<number, string>> = {
  0: 'PCM',
  1: 'ADPCM',
  2: 'MP3',
  3: 'PCM',
  4: 'Nellymoser',
  5: 'Nellymoser',
  6: 'Nellymoser',
  11: 'Speex',
  14: 'MP3 8 kHz',
};
const KEYFRAME = 1;
const COMMAND_FRAME = 5;

const signed24 = (b: Uint8Array, at: number): number => (readU24(b, at) << 8) >> 8;
const fourCc = (b: Uint8Array, at: number): string =>
  String.fromCharCode(...b.subarray(at, at + 4)).replace(/[^\x20-\x7e]/g, '?');

/** Views into `b`. Never throws. */
export function readVideoTag(b: Uint8Array): VideoTag {
  if (b.length < 1) return { type: 'junk' };
  const first = b[0] as number;
  if (first & 0x80) return readEnhancedVideo(b);
  const frame = first >> 4;
  if (frame === COMMAND_FRAME) return { type: 'nothing' };
  if ((first & 15) !== AVC)
    return { type: 'unsupported', codec: VIDEO_CODECS[first & 15] ?? `video codec ${first & 15}` };
  if (b.length < 5) return { type: 'junk' };
  switch (b[1]) {
    case 0:
      return { type: 'config', record: b.subarray(5) };
    case 1:
      return { type: 'frame', key: frame === KEYFRAME, compositionMs: signed24(b, 2), units: b.subarray(5) };
    case 2:
      return { type: 'end' };
    default:
      return { type: 'junk' };
  }
}

function readEnhancedVideo(b: Uint8Array): VideoTag {
  if (b.length < 5) return { type: 'junk' };
  const first = b[0] as number;
  const frame = (first >> 4) & 7;
  if (frame === COMMAND_FRAME) return { type: 'nothing' };
  const packet = first & 15;
  const codec = fourCc(b, 1);
  if (packet === 6) return { type: 'unsupported', codec: 'multitrack video' };
  if (codec !== 'avc1') return { type: 'unsupported', codec };
  const key = frame === KEYFRAME;
  switch (packet) {
    case 0:
      return { type: 'config', record: b.subarray(5) };
    case 1:
      if (b.length < 8) return { type: 'junk' };
      return { type: 'frame', key, compositionMs: signed24(b, 5), units: b.subarray(8) };
    case 2:
      return { type: 'end' };
    case 3: // CodedFramesX: composition time 0, not written
      return { type: 'frame', key, compositionMs: 0, units: b.subarray(5) };
    default:
      return { type: 'nothing' };
  }
}

/** Views into `b`. Never throws. */
export function readAudioTag(b: Uint8Array): AudioTag {
  if (b.length < 1) return { type: 'junk' };
  const format = (b[0] as number) >> 4;
  switch (format) {
    case 7:
      return { type: 'frame', codec: 'PCMA', payload: b.subarray(1) };
    case 8:
      return { type: 'frame', codec: 'PCMU', payload: b.subarray(1) };
    case 9:
      return readEnhancedAudio(b);
    case 10:
      if (b.length < 2) return { type: 'junk' };
      if (b[1] === 0) return { type: 'config', codec: 'AAC', config: b.subarray(2) };
      return b[1] === 1 ? { type: 'frame', codec: 'AAC', payload: b.subarray(2) } : { type: 'junk' };
    default:
      return { type: 'unsupported', codec: AUDIO_CODECS[format] ?? `audio format ${format}` };
  }
}

function readEnhancedAudio(b: Uint8Array): AudioTag {
  if (b.length < 5) return { type: 'junk' };
  const packet = (b[0] as number) & 15;
  if (packet === 5) return { type: 'unsupported', codec: 'multitrack audio' };
  const name = fourCc(b, 1);
  const codec = name === 'mp4a' ? 'AAC' : name === 'Opus' ? 'opus' : undefined;
  if (codec === undefined) return { type: 'unsupported', codec: name };
  if (packet === 0) return { type: 'config', codec, config: b.subarray(5) };
  return packet === 1 ? { type: 'frame', codec, payload: b.subarray(5) } : { type: 'nothing' };
}

// ---------------------------------------------------------------- writing

/** A tag body in parts: what RTMP writes without copying. */
export type Parts = readonly Uint8Array[];

export const avcConfigTag = (record: Uint8Array): Parts => [Uint8Array.of(0x17, 0, 0, 0, 0), record];

/** One access unit; every NAL unit gets its four-byte length here. */
export function avcFrameTag(key: boolean, compositionMs: number, units: readonly Uint8Array[]): Parts {
  const cts = compositionMs & 0xffffff;
  const parts: Uint8Array[] = [Uint8Array.of(key ? 0x17 : 0x27, 1, cts >> 16, (cts >> 8) & 255, cts & 255)];
  for (const unit of units) {
    const n = unit.length;
    parts.push(Uint8Array.of(n >>> 24, (n >> 16) & 255, (n >> 8) & 255, n & 255), unit);
  }
  return parts;
}

/** The byte AAC tags begin with: 44.1 kHz, 16 bit, stereo, whatever the stream is (§E.4.2.1: players ignore it). */
const AAC_HEAD = 0xaf;
export const aacConfigTag = (config: Uint8Array): Parts => [Uint8Array.of(AAC_HEAD, 0), config];
export const aacFrameTag = (unit: Uint8Array): Parts => [Uint8Array.of(AAC_HEAD, 1), unit];

/** Codec numbers as `onMetaData` tells them. */
export const METADATA_AVC = AVC;
export const METADATA_AAC = 10;
