import { type EncoderOptions, openEncoder, type PcmRate } from '../../codecs/audio.ts';
import type { Format } from '../../src/contract.ts';

/** What one cycle of frames is repeated from: whole seconds for every frame length, so whole periods of any whole Hz. */
const LOOP_FRAMES = 100;
/** Until an encoder that adapts has settled. */
const WARM_UP_FRAMES = 50;
/** −20 dBFS: the peak of a sine against full scale. */
const PEAK = 32767 * 10 ** (-20 / 20);
const RATES: Readonly<Record<string, PcmRate>> = { opus: 48000, G722: 16000 };

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
    const samples = ((WARM_UP_FRAMES + LOOP_FRAMES) * rate * ptimeMs) / 1000;
    const pcm = Int16Array.from({ length: samples }, (_, i) =>
      Math.round(PEAK * Math.sin((2 * Math.PI * hz * i) / rate)),
    );
    const frames: Uint8Array[] = [];
    encoder.encode(pcm, payload => void frames.push(payload.slice()));
    return { format, ptimeMs, frameTicks: encoder.frameTicks, frames: frames.slice(-LOOP_FRAMES) };
  } finally {
    encoder.close();
  }
}
