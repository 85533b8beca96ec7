import {
  Application,
  createDecoder,
  createEncoder,
  loadLibopus,
  type OpusDecoderHandle,
  Signal,
} from 'libopus-wasm';
import type { Format } from '../../src/contract.ts';
import { encoderOf } from '../chain.ts';
import type { AudioDecoder, AudioEncoder, EncoderOptions, LevelMeter, PcmRate } from '../codec.ts';
import { levelOfPcm, SILENT } from '../level.ts';

/** Opus's RTP clock, whatever it is encoded from (RFC 7587 §4.1). */
const CLOCK_HZ = 48000;
/** Frames of RFC 6716 §2.1.4 that fit speech over RTP. */
const FRAME_MS = [10, 20, 40, 60] as const;
/** RFC 6716 §3.4 R5: a packet holds at most 120 ms; this is more bytes than that can need. */
const LONGEST_PACKET = 8000;

export const loadOpus = async (): Promise<void> => {
  await loadLibopus();
};

/** Decodes straight to `sampleRate`, mono; concealment and in-band FEC are libopus's own. */
export async function openOpusDecoder(sampleRate: PcmRate): Promise<AudioDecoder> {
  const decoder = await createDecoder({ sampleRate, channels: 1 });
  const step = sampleRate / 400; // libopus conceals in steps of 2.5 ms
  let usual = sampleRate / 50;
  let badPackets = 0;
  let closed = false;

  /** Exactly `wanted` samples (a second at most): what `fill` gives for up to 120 ms, then silence. */
  const gap = (wanted: number, fill: (frameSize: number) => Int16Array): Int16Array => {
    const samples = Math.min(wanted, sampleRate);
    if (closed) return new Int16Array(samples);
    const frameSize = Math.min(48, Math.max(1, Math.ceil(samples / step))) * step;
    const pcm = fill(frameSize);
    if (pcm.length === samples) return pcm;
    if (pcm.length > samples) return pcm.subarray(0, samples);
    const whole = new Int16Array(samples);
    whole.set(pcm);
    return whole;
  };
  const conceal = (samples: number): Int16Array =>
    gap(samples, frameSize => decoder.decode(null, { frameSize }));

  return {
    sampleRate,
    get badPackets() {
      return badPackets;
    },
    decode(payload) {
      const pcm = closed ? undefined : tryDecode(decoder, payload);
      if (pcm === undefined) {
        badPackets++;
        return conceal(usual);
      }
      usual = pcm.length;
      return pcm;
    },
    conceal,
    recover(next, samples) {
      if (closed || !hasBytes(next)) return conceal(samples);
      try {
        return gap(samples, frameSize => decoder.decode(next, { decodeFec: true, frameSize }));
      } catch {
        return conceal(samples);
      }
    },
    close() {
      closed = true;
      decoder.free();
    },
  };
}

const hasBytes = (payload: Uint8Array): boolean => payload.length > 0 && payload.length <= LONGEST_PACKET;

function tryDecode(decoder: OpusDecoderHandle, payload: Uint8Array): Int16Array | undefined {
  if (!hasBytes(payload)) return undefined;
  try {
    return decoder.decode(payload);
  } catch {
    return undefined; // OpusError: a stranger's packet is malformed
  }
}

/** The most the receiver asked for: `maxaveragebitrate`, RFC 7587 §6.1, which also bounds it to 6–510 kbit/s. */
function wantedBps(format: Format): number {
  const asked = Number(format.fmtp?.maxaveragebitrate ?? 510_000);
  return asked >= 6000 && asked <= 510_000 ? Math.floor(asked) : 510_000;
}

/** Speech settings: complexity 5 and in-band FEC for 10 % loss; see codecs/README.md for what they cost. */
export async function openOpusEncoder(
  format: Format,
  sampleRate: PcmRate,
  { ptimeMs = 20, bitrateBps = 32_000 }: EncoderOptions,
): Promise<AudioEncoder> {
  const frameMs = FRAME_MS.find(ms => ms >= ptimeMs) ?? 60;
  const frameSamples = (sampleRate * frameMs) / 1000;
  const encoder = await createEncoder({
    sampleRate,
    channels: 1,
    application: Application.Voip,
    signal: Signal.Voice,
    bitrate: Math.min(bitrateBps, wantedBps(format)),
    complexity: 5,
    fec: true,
    packetLossPercent: 10,
    frameSize: frameSamples,
  });
  return encoderOf(
    {
      format,
      rateHz: sampleRate,
      frameSamples,
      frameTicks: (CLOCK_HZ * frameMs) / 1000,
      encode: (frame, sink) => sink(encoder.encode(frame)),
      close: () => encoder.free(),
    },
    sampleRate,
  );
}

/**
 * Opus has no level to read: the packet is decoded, at 8 kHz, where it is cheapest and still holds what of a voice is
 * loud. A packet of one or two bytes is discontinuous transmission (RFC 6716 §3.1): silence, not decoded.
 */
export async function openOpusLevelMeter(): Promise<LevelMeter> {
  const decoder = await createDecoder({ sampleRate: 8000, channels: 1 });
  let badPackets = 0;
  let closed = false;
  return {
    get badPackets() {
      return badPackets;
    },
    level(payload) {
      if (!closed && (payload.length === 1 || payload.length === 2)) return SILENT;
      const pcm = closed ? undefined : tryDecode(decoder, payload);
      if (pcm !== undefined) return levelOfPcm(pcm);
      badPackets++;
      return SILENT;
    },
    close() {
      closed = true;
      decoder.free();
    },
  };
}
