import { type EncoderOptions, openEncoder, type PcmRate } from '../../codecs/audio.ts';
import type { Format } from '../../src/contract.ts';

/** What one cycle of frames is repeated from: whole seconds for every frame length, so whole periods of any whole Hz. */
const LOOP_FRAMES = 100;
/** Frames of AAC have 1024 samples: 8 s. */
const AAC_LOOP_FRAMES = 375;
/** Until an encoder that adapts has settled. */
const WARM_UP_FRAMES = 50;
/** −20 dBFS: the peak of a sine against full scale. */
const PEAK = 32767 * 10 ** (-20 / 20);
const RATES: Readonly<Record<string, PcmRate>> = { opus: 48000, AAC: 48000, G722: 16000 };

export interface Tone {
  readonly format: Format;
  readonly ptimeMs: number;
  /** Clock units of one frame. */
  readonly frameTicks: number;
  /** To be sent round and round. */
  readonly frames: readonly Uint8Array[];
}

/** A sine of `hz` (whole) at −20 dBFS, encoded once. Rejects with a Refusal when the codec cannot be had. */
export async function openTone(format: Format, hz: number, ptimeMs = 20): Promise<Tone> {
  const rate = RATES[format.codec] ?? 8000;
  const options: EncoderOptions = { ptimeMs };
  const encoder = await openEncoder(format, rate, options);
  try {
    const loop = format.codec === 'AAC' ? AAC_LOOP_FRAMES : LOOP_FRAMES;
    const frameMs = (1000 * encoder.frameTicks) / encoder.format.clockRate;
    const samples = ((WARM_UP_FRAMES + loop) * rate * frameMs) / 1000;
    const pcm = Int16Array.from({ length: samples }, (_, i) =>
      Math.round(PEAK * Math.sin((2 * Math.PI * hz * i) / rate)),
    );
    const frames: Uint8Array[] = [];
    encoder.encode(pcm, payload => void frames.push(payload.slice()));
    return {
      format: encoder.format,
      ptimeMs: frameMs,
      frameTicks: encoder.frameTicks,
      frames: frames.slice(-loop),
    };
  } finally {
    encoder.close();
  }
}
