import { beforeAll, describe, expect, it } from 'vitest';
import { loadCodecs, openDecoder } from '../../codecs/audio.ts';
import type { Format } from '../../src/contract.ts';
import { openPart, PARTS, type Part, ROUND_S } from './demo-sounds.ts';

const FORMATS: readonly Format[] = [
  { codec: 'opus', clockRate: 48_000, channels: 2 },
  { codec: 'G722', clockRate: 8000 },
  { codec: 'PCMU', clockRate: 8000 },
];
const parts = Object.keys(PARTS) as Part[];

beforeAll(loadCodecs);

describe.each(FORMATS)('in $codec', format => {
  it.each(parts)('%s lasts whole rounds, and is heard in its own part of them only', async part => {
    const tone = await openPart(part, format);
    const seconds = (tone.frames.length * tone.frameTicks) / tone.format.clockRate;
    expect(seconds).toBeCloseTo(part === 'voice' ? 2 * ROUND_S : ROUND_S, 5);
    const loud = await loudness(tone.frames, format);
    const heard = loud.filter(rms => rms > 300).length / loud.length;
    expect(heard).toBeGreaterThan(0.12);
    expect(heard).toBeLessThan(0.4);
    expect(Math.max(...loud)).toBeGreaterThan(1500);
  });
});

it('one after the other', () => {
  const ends = parts.map(p => PARTS[p].untilS);
  parts.slice(1).forEach((p, i) => {
    expect(PARTS[p].fromS).toBeGreaterThanOrEqual(ends[i] as number);
  });
  expect(ends.at(-1)).toBeLessThanOrEqual(ROUND_S);
});

/** Root mean square of each frame. */
async function loudness(frames: readonly Uint8Array[], format: Format): Promise<number[]> {
  const decoder = await openDecoder(format, 16_000);
  try {
    return frames.map(frame => {
      const pcm = decoder.decode(frame);
      return Math.sqrt(pcm.reduce((sum, s) => sum + s * s, 0) / pcm.length);
    });
  } finally {
    decoder.close();
  }
}
