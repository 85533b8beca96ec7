/**
 * The door to the audio codecs: openers by format. Everything they give is synchronous, sans-I/O and freed by `close`.
 */
import type { Format } from '../src/contract.ts';
import { refuse } from '../src/kit/refusal.ts';
import { openAacDecoder, openAacEncoder } from './aac/aac.ts';
import { missingAv } from './av.ts';
import type { AudioDecoder, AudioEncoder, EncoderOptions, LevelMeter, PcmRate } from './codec.ts';
import { g711Decoder, g711Encoder, g711LevelMeter } from './g711/g711.ts';
import { g722Decoder, g722Encoder, g722LevelMeter } from './g722/g722.ts';
import { decodingLevelMeter } from './level.ts';
import { loadOpus, openOpusDecoder, openOpusEncoder, openOpusLevelMeter } from './opus/opus.ts';

export { levelOfPcm } from './level.ts';
export type { AudioDecoder, AudioEncoder, EncoderOptions, LevelMeter, PcmRate };

/** Preloads what every room needs (opus). FFmpeg (node-av) stays unloaded until a stream needs AAC. */
export const loadCodecs = (): Promise<void> => loadOpus();

/** Why this machine cannot code `format`, as a sentence; undefined when it can. Loads nothing. */
export function missingFor(format: Format): string | undefined {
  if (format.codec === 'H264' || format.codec === 'VP8') return `${format.codec} is no audio codec.`;
  return format.codec === 'AAC' ? missingAv() : undefined;
}

const noAudio = (format: Format) =>
  refuse(
    'server',
    'no-such-codec',
    `${format.codec} is no audio codec, so it cannot be decoded or encoded here.`,
  );

/** A decoder to mono PCM at `sampleRate`. Rejects with a Refusal when the codec cannot be had or its config is bad. */
export async function openDecoder(format: Format, sampleRate: PcmRate): Promise<AudioDecoder> {
  switch (format.codec) {
    case 'PCMU':
    case 'PCMA':
      return g711Decoder(format.codec, sampleRate);
    case 'G722':
      return g722Decoder(sampleRate);
    case 'opus':
      return openOpusDecoder(sampleRate);
    case 'AAC':
      return openAacDecoder(format, sampleRate);
    default:
      throw noAudio(format);
  }
}

/** An encoder from mono PCM at `sampleRate`. Rejects with a Refusal when the codec cannot be had. */
export async function openEncoder(
  format: Format,
  sampleRate: PcmRate,
  options: EncoderOptions = {},
): Promise<AudioEncoder> {
  switch (format.codec) {
    case 'PCMU':
    case 'PCMA':
      return g711Encoder(format, format.codec, sampleRate, options);
    case 'G722':
      return g722Encoder(format, sampleRate, options);
    case 'opus':
      return openOpusEncoder(format, sampleRate, options);
    case 'AAC':
      return openAacEncoder(format, sampleRate, options);
    default:
      throw noAudio(format);
  }
}

/** A level meter for payloads of `format`. Rejects as `openDecoder` does. */
export async function openLevelMeter(format: Format): Promise<LevelMeter> {
  switch (format.codec) {
    case 'PCMU':
    case 'PCMA':
      return g711LevelMeter(format.codec);
    case 'G722':
      return g722LevelMeter();
    case 'opus':
      return openOpusLevelMeter();
    default:
      return decodingLevelMeter(await openDecoder(format, 48000)); // mostly its own rate: nothing to resample
  }
}
