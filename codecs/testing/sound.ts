/** Sounds for the codecs' tests, and what is left of them. Levels in dB against a full-scale sine's peak. */
import type { AudioDecoder, AudioEncoder } from '../codec.ts';

export const tone = (hz: number, rateHz: number, seconds: number, db = -20): Int16Array => {
  const peak = 32767 * 10 ** (db / 20);
  return Int16Array.from({ length: Math.round(seconds * rateHz) }, (_, i) =>
    Math.round(peak * Math.sin((2 * Math.PI * hz * i) / rateHz)),
  );
};

/** Noise that is the same in every run (a linear congruential generator). */
export const noise = (length: number, db = -20, seed = 1): Int16Array => {
  const peak = 32767 * 10 ** (db / 20);
  let state = seed >>> 0;
  return Int16Array.from({ length }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.round(peak * ((state / 2 ** 31 - 1) as number));
  });
};

/** Level of `hz` in the last `share` of `pcm`, where every codec has settled: Goertzel's filter in a Hann window. */
export function toneDb(pcm: Int16Array, hz: number, rateHz: number, share = 0.5): number {
  const tail = pcm.subarray(Math.floor(pcm.length * (1 - share)));
  const coefficient = 2 * Math.cos((2 * Math.PI * hz) / rateHz);
  let last = 0;
  let beforeLast = 0;
  tail.forEach((v, i) => {
    const hann = 0.5 - 0.5 * Math.cos((2 * Math.PI * i) / tail.length);
    [last, beforeLast] = [(v / 32768) * hann + coefficient * last - beforeLast, last];
  });
  const power = last ** 2 + beforeLast ** 2 - coefficient * last * beforeLast;
  return 10 * Math.log10((16 * Math.max(power, 0)) / tail.length ** 2 + 1e-12); // the window halves, a sine has two sides
}

/** Level of everything in the last `share` of `pcm`, on the same scale: a sine's RMS is 3 dB below its peak. */
export function totalDb(pcm: Int16Array, share = 0.5): number {
  const tail = pcm.subarray(Math.floor(pcm.length * (1 - share)));
  const power = tail.reduce((sum, v) => sum + (v / 32768) ** 2, 0) / Math.max(1, tail.length);
  return 10 * Math.log10(2 * power + 1e-12);
}

export function join(parts: readonly Int16Array[]): Int16Array {
  const whole = new Int16Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** All frames of `pcm`, fed in blocks of `blockMs`. */
export function encodeAll(encoder: AudioEncoder, pcm: Int16Array, blockMs = 20): Uint8Array[] {
  const frames: Uint8Array[] = [];
  const block = (encoder.sampleRate * blockMs) / 1000;
  for (let at = 0; at < pcm.length; at += block)
    encoder.encode(pcm.subarray(at, at + block), payload => frames.push(payload.slice()));
  return frames;
}

export const decodeAll = (decoder: AudioDecoder, frames: readonly Uint8Array[]): Int16Array =>
  join(frames.map(frame => decoder.decode(frame).slice()));

/** Signal-to-noise ratio, dB, of `got` against `wanted` at the delay (0 … `mostDelay` samples) where it is best. */
export function snrDb(wanted: Int16Array, got: Int16Array, mostDelay = 0): number {
  let best = Number.NEGATIVE_INFINITY;
  for (let delay = 0; delay <= mostDelay; delay++) {
    const length = Math.min(wanted.length, got.length - delay);
    let signal = 0;
    let error = 1e-9;
    for (let i = length >> 2; i < length; i++) {
      signal += wanted[i]! ** 2;
      error += (wanted[i]! - got[i + delay]!) ** 2;
    }
    best = Math.max(best, 10 * Math.log10(signal / error));
  }
  return best;
}

/** At 16 kHz, all a sub-band coder finds hard: each band alone, both ends of a band at once, silence, clipping noise. */
export function hardForSubbands(): Int16Array {
  const low = tone(60, 16000, 0.5, -14);
  const ends = tone(3940, 16000, 0.5, -14).map((v, i) => v + low[i]!);
  return join([
    tone(400, 16000, 0.5),
    tone(5500, 16000, 0.5, -10),
    ends,
    new Int16Array(4000),
    noise(12000, 0),
  ]);
}
