import type { AudioDecoder, AudioEncoder, EncoderOptions, PcmRate } from '../../codecs/audio.ts';
import * as audio from '../../codecs/audio.ts';
import type { AudioCodec, Format } from '../contract.ts';
import { realVideoCodecs, type VideoCodecs } from './video-codecs.ts';

export type { AudioDecoder, AudioEncoder, PcmRate };

/** The codecs as egress uses them: a seam of its own, so that tests count and fail them. */
export interface Codecs extends VideoCodecs {
  openDecoder(format: Format, sampleRate: PcmRate): Promise<AudioDecoder>;
  openEncoder(format: Format, sampleRate: PcmRate, o?: EncoderOptions): Promise<AudioEncoder>;
  missingFor(format: Format): string | undefined;
}

export const realCodecs: Codecs = { ...audio, ...realVideoCodecs };

/** Everything is mixed and encoded in blocks of this length, on one line of time per room. */
export const BLOCK_MS = 20;

export const blockSamples = (rate: PcmRate): number => (rate * BLOCK_MS) / 1000;

export const isAudio = (format: Format): boolean => format.codec !== 'H264' && format.codec !== 'VP8';

/** The rate a codec hears and speaks at: nothing is gained above it. */
export function nativeRate(format: Format): PcmRate {
  switch (format.codec as AudioCodec) {
    case 'PCMU':
    case 'PCMA':
      return 8000;
    case 'G722':
      return 16000;
    case 'AAC':
      return format.clockRate === 8000 || format.clockRate === 16000 ? format.clockRate : 48000;
    case 'opus':
      return 48000;
  }
}

/** What an encoder of ours is asked for when `wanted` is: AAC at a rate we mix at, so that its frames keep in step. */
export const encodable = (wanted: Format): Format =>
  wanted.codec === 'AAC'
    ? { codec: 'AAC', clockRate: nativeRate(wanted), channels: wanted.channels ?? 1 }
    : wanted;

/**
 * How much earlier than its pts the sound in a frame is, ticks, once it is decoded: AAC frames of 1024 samples overlap,
 * so the first one holds silence. What opus looks ahead (6.5 ms) is left out.
 */
export const encoderDelay = (format: Format): number => (format.codec === 'AAC' ? 1024 : 0);

const SPEECH_BPS = 32_000;
/** RFC 7587 §6.1: maxaveragebitrate, 6000 to 510000. */
const OPUS_MIN_BPS = 6000;

/** Bits a second for an encoder towards `format`; undefined: the codec has no choice, or knows best (AAC). */
export function bitrateFor(format: Format): number | undefined {
  if (format.codec !== 'opus') return undefined;
  const asked = Number(format.fmtp?.maxaveragebitrate ?? SPEECH_BPS);
  return Number.isFinite(asked) ? Math.min(SPEECH_BPS, Math.max(OPUS_MIN_BPS, asked)) : SPEECH_BPS;
}

/** Receivers with equal keys can share one encoder. */
export const encodeKey = (format: Format, ptimeMs: number): string =>
  `${format.codec}/${format.clockRate}/${format.codec === 'AAC' ? format.channels : ''}/${ptimeMs}/${bitrateFor(format) ?? ''}`;

/** What a room event must change for a stream to begin anew. */
export const formatKey = (f: Format): string =>
  `${f.codec}/${f.clockRate}/${f.channels ?? 1}/${Object.entries(f.fmtp ?? {})
    .map(([k, v]) => `${k}=${v}`)
    .sort()
    .join(';')}`;
