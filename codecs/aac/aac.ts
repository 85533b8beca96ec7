import type { Format } from '../../src/contract.ts';
import { refuse } from '../../src/kit/refusal.ts';
import { openAvAacDecoder, openAvAacEncoder, type Planes } from '../av.ts';
import { decoderOf, encoderOf, type NativeDecoder } from '../chain.ts';
import type { AudioDecoder, AudioEncoder, EncoderOptions, PcmRate } from '../codec.ts';
import { AAC_RATES, makeAacConfig, parseAacConfig } from './config.ts';

/** ISO/IEC 14496-3 §4.5.3: at most 768 bytes a channel; 8 channels. */
const LONGEST_UNIT = 6144;
/** Enough for a config with every extension. */
const LONGEST_CONFIG = 64;
/** HE-AAC doubles the 1024 samples of a unit. */
const MOST_SAMPLES = 2048;

/** The stream's AudioSpecificConfig: `fmtp.config`, or a plain one made of the format. */
function configOf(format: Format): Uint8Array {
  const hex = format.fmtp?.config ?? '';
  const config = hex === '' ? makeAacConfig(format.clockRate, format.channels ?? 1) : Buffer.from(hex, 'hex');
  if (config === undefined || config.length > LONGEST_CONFIG || parseAacConfig(config) === undefined)
    throw refuse('client', 'bad-codec-config', 'The AAC stream has no readable AudioSpecificConfig.');
  return config;
}

/** Raw access units to PCM at `sampleRate`; any AAC that FFmpeg knows, at any rate of the standard's table. */
export async function openAacDecoder(format: Format, sampleRate: PcmRate): Promise<AudioDecoder> {
  const config = configOf(format);
  const codec = await openAvAacDecoder(config);
  const pcm = new Int16Array(MOST_SAMPLES);
  let made = 0;
  const native: NativeDecoder & { rateHz: number } = {
    rateHz: parseAacConfig(config)!.rateHz,
    decode(unit) {
      if (unit.length === 0 || unit.length > LONGEST_UNIT) return undefined;
      made = 0;
      const good = codec.decode(unit, take);
      return good && made > 0 ? pcm.subarray(0, made) : undefined;
    },
    close: () => codec.close(),
  };
  const take = (planes: Planes, rateHz: number): void => {
    if (!(AAC_RATES as readonly number[]).includes(rateHz)) return;
    native.rateHz = rateHz; // HE-AAC tells its true rate only here
    made = downmix(planes, pcm);
  };
  return decoderOf(native, sampleRate);
}

/** The mean of all channels, as 16-bit PCM. Returns how many samples there are. */
function downmix(planes: Planes, pcm: Int16Array): number {
  const length = Math.min(planes[0]?.length ?? 0, pcm.length);
  const gain = 32768 / planes.length;
  for (let i = 0; i < length; i++) {
    let sum = 0;
    for (let c = 0; c < planes.length; c++) sum += planes[c]![i]!;
    const value = Math.round(sum * gain);
    pcm[i] = value > 32767 ? 32767 : value < -32768 ? -32768 : value || 0; // NaN from a broken stream is silence
  }
  return length;
}

/** Rates made as asked; any other is made at 48 kHz. */
const RATES_MADE: readonly number[] = [8000, 16000, 32000, 44100, 48000];

/** Enough to leave speech clean; a second channel of the same sound costs little. */
const speechBps = (rateHz: number, channels: 1 | 2): number =>
  Math.max(24_000, rateHz) + (channels - 1) * 16_000;

/**
 * PCM to AAC-LC at `format.clockRate`; a stereo format gets the same sound on both sides. What it really makes, with
 * its `config` in `fmtp`, is the encoder's `format`.
 */
export async function openAacEncoder(
  format: Format,
  sampleRate: PcmRate,
  { bitrateBps }: EncoderOptions,
): Promise<AudioEncoder> {
  const rateHz = RATES_MADE.includes(format.clockRate) ? format.clockRate : 48000;
  const channels = format.channels ?? 1;
  const codec = await openAvAacEncoder({
    rateHz,
    channels,
    bitrateBps: bitrateBps ?? speechBps(rateHz, channels),
  });
  return encoderOf(
    {
      format: {
        ...format,
        clockRate: rateHz,
        channels,
        fmtp: { ...format.fmtp, config: Buffer.from(codec.config).toString('hex') },
      },
      rateHz,
      frameSamples: codec.frameSamples,
      frameTicks: codec.frameSamples,
      encode: (frame, sink) =>
        codec.encode(planes => {
          for (const plane of planes) for (let i = 0; i < plane.length; i++) plane[i] = frame[i]! / 32768;
        }, sink),
      close: () => codec.close(),
    },
    sampleRate,
  );
}
