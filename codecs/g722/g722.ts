import type { Format } from '../../src/contract.ts';
import { decoderOf, encoderOf } from '../chain.ts';
import type { AudioDecoder, AudioEncoder, EncoderOptions, LevelMeter, PcmRate } from '../codec.ts';
import { levelOfPower, SILENT } from '../level.ts';
import { SubbandDecoder, SubbandEncoder } from './subband.ts';

const RATE_HZ = 16000;
/** Half a second in one packet: no phone sends that, and buffers must end somewhere. */
const LONGEST_PAYLOAD = 4000;

const readable = (payload: Uint8Array): boolean => payload.length > 0 && payload.length <= LONGEST_PAYLOAD;

export function g722Decoder(sampleRate: PcmRate): AudioDecoder {
  const codec = new SubbandDecoder();
  let pcm = new Int16Array(320);
  const decode = (payload: Uint8Array): Int16Array | undefined => {
    if (!readable(payload)) return undefined;
    const samples = 2 * payload.length;
    if (pcm.length < samples) pcm = new Int16Array(samples);
    codec.decode(payload, pcm);
    return pcm.length === samples ? pcm : pcm.subarray(0, samples);
  };
  return decoderOf({ rateHz: RATE_HZ, decode, close() {} }, sampleRate);
}

/** PCM to G.722 at 64 kbit/s; `ptimeMs` up to 200. The RTP clock is 8 kHz: one tick a byte (RFC 3551 §4.5.2). */
export function g722Encoder(
  format: Format,
  sampleRate: PcmRate,
  { ptimeMs = 20 }: EncoderOptions,
): AudioEncoder {
  const codec = new SubbandEncoder();
  const payload = new Uint8Array(Math.round(Math.min(200, Math.max(1, ptimeMs)) * 8));
  return encoderOf(
    {
      format,
      rateHz: RATE_HZ,
      frameSamples: 2 * payload.length,
      frameTicks: payload.length,
      encode(frame, sink) {
        codec.encode(frame, payload);
        sink(payload);
      },
      close() {},
    },
    sampleRate,
  );
}

/** The power of both sub-bands is that of the sound: decoded, but never put together. */
export function g722LevelMeter(): LevelMeter {
  const codec = new SubbandDecoder();
  let badPackets = 0;
  return {
    get badPackets() {
      return badPackets;
    },
    level(payload) {
      if (!readable(payload)) {
        badPackets++;
        return SILENT;
      }
      let sum = 0;
      for (let i = 0; i < payload.length; i++) {
        codec.bands(payload[i]!);
        sum += codec.low * codec.low + codec.high * codec.high;
      }
      return levelOfPower(sum / payload.length / (16384 * 16384));
    },
    close() {},
  };
}
