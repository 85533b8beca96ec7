import type { AudioDecoder, LevelMeter } from './codec.ts';

/** The level of no sound at all, and the lowest that RFC 6464 can say. */
export const SILENT = 127;

/** Mean square (0 … 1, 1 being the overload point) to −dBov, 0 … 127 (RFC 6464 §3). */
export function levelOfPower(meanSquare: number): number {
  if (meanSquare <= 0) return SILENT;
  const level = Math.round(-10 * Math.log10(meanSquare));
  return level < 0 ? 0 : level > SILENT ? SILENT : level;
}

/** The level of 16-bit PCM: RMS against full scale, so a full-scale sine is 3. Silence (127) for no samples. */
export function levelOfPcm(pcm: Int16Array): number {
  let sum = 0;
  for (let i = 0; i < pcm.length; i++) sum += pcm[i]! * pcm[i]!;
  return pcm.length === 0 ? SILENT : levelOfPower(sum / pcm.length / (32768 * 32768));
}

/** For codecs whose level cannot be had without decoding. Owns `decoder`. */
export function decodingLevelMeter(decoder: AudioDecoder): LevelMeter {
  return {
    get badPackets() {
      return decoder.badPackets;
    },
    level(payload) {
      const bad = decoder.badPackets;
      const pcm = decoder.decode(payload);
      return decoder.badPackets === bad ? levelOfPcm(pcm) : SILENT;
    },
    close: () => decoder.close(),
  };
}
