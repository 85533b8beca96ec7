/** Sampling frequencies by index, ISO/IEC 14496-3 table 1.18. */
export const AAC_RATES = [
  96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350,
] as const;

export interface AacConfig {
  /** Audio object type: 2 is LC, the only one this platform makes; 5 and 29 are HE-AAC. */
  readonly objectType: number;
  /** Of the core; HE-AAC sounds at twice this. */
  readonly rateHz: number;
  /** 0: told inside the stream. */
  readonly channels: number;
}

/**
 * The front of an AudioSpecificConfig, ISO/IEC 14496-3 §1.6.2.1; undefined when it is cut short or names no table rate.
 *
 *   5 bits          4 bits                4 bits
 * +---------------+---------------------+-----------------------+------
 * | object type   | frequency index     | channel configuration | …
 * +---------------+---------------------+-----------------------+------
 */
export function parseAacConfig(config: Uint8Array): AacConfig | undefined {
  if (config.length < 2) return undefined;
  const objectType = config[0]! >> 3;
  const rateHz = AAC_RATES[((config[0]! & 7) << 1) | (config[1]! >> 7)];
  if (rateHz === undefined || objectType === 0 || objectType === 31) return undefined;
  return { objectType, rateHz, channels: (config[1]! >> 3) & 15 };
}

/** A plain AAC-LC config, for a stream that brought none: two bytes. */
export function makeAacConfig(rateHz: number, channels: number): Uint8Array | undefined {
  const index = (AAC_RATES as readonly number[]).indexOf(rateHz);
  return index < 0 ? undefined : Uint8Array.of((2 << 3) | (index >> 1), ((index & 1) << 7) | (channels << 3));
}
