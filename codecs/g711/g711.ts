import type { Format } from '../../src/contract.ts';
import { decoderOf, encoderOf } from '../chain.ts';
import type { AudioDecoder, AudioEncoder, EncoderOptions, LevelMeter, PcmRate } from '../codec.ts';
import { levelOfPower, SILENT } from '../level.ts';
import { CODE, type Law, LINEAR, POWER } from './tables.ts';

const RATE_HZ = 8000;
/** Half a second in one packet: no phone sends that, and buffers must end somewhere. */
const LONGEST_PAYLOAD = 4000;

const readable = (payload: Uint8Array): boolean => payload.length > 0 && payload.length <= LONGEST_PAYLOAD;

/** PCMU or PCMA to PCM: a table look-up, then concealment and resampling. RFC 3551 §4.5.14. */
export function g711Decoder(law: Law, sampleRate: PcmRate): AudioDecoder {
  const linear = LINEAR[law];
  let pcm = new Int16Array(160);
  const decode = (payload: Uint8Array): Int16Array | undefined => {
    if (!readable(payload)) return undefined;
    if (pcm.length < payload.length) pcm = new Int16Array(payload.length);
    for (let i = 0; i < payload.length; i++) pcm[i] = linear[payload[i]!]!;
    return pcm.length === payload.length ? pcm : pcm.subarray(0, payload.length);
  };
  return decoderOf({ rateHz: RATE_HZ, decode, close() {} }, sampleRate);
}

/** PCM to PCMU or PCMA; `ptimeMs` up to 200. */
export function g711Encoder(
  format: Format,
  law: Law,
  sampleRate: PcmRate,
  { ptimeMs = 20 }: EncoderOptions,
): AudioEncoder {
  const code = CODE[law];
  const frameSamples = Math.round(Math.min(200, Math.max(1, ptimeMs)) * (RATE_HZ / 1000));
  const payload = new Uint8Array(frameSamples);
  return encoderOf(
    {
      format,
      rateHz: RATE_HZ,
      frameSamples,
      frameTicks: frameSamples,
      encode(frame, sink) {
        for (let i = 0; i < frameSamples; i++) payload[i] = code[(frame[i]! + 32768) >> 2]!;
        sink(payload);
      },
      close() {},
    },
    sampleRate,
  );
}

/** Straight from the codes: one look-up and one addition a sample, nothing decoded. */
export function g711LevelMeter(law: Law): LevelMeter {
  const power = POWER[law];
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
      for (let i = 0; i < payload.length; i++) sum += power[payload[i]!]!;
      return levelOfPower(sum / payload.length);
    },
    close() {},
  };
}
