/** `npx vitest bench codecs`: time per packet. 1 / hz is what README.md tells in µs. */
import { bench, describe } from 'vitest';
import type { Format } from '../src/contract.ts';
import { openDecoder, openEncoder, openLevelMeter } from './audio.ts';
import { resampler } from './resample/resample.ts';
import { encodeAll, noise } from './testing/sound.ts';

const FORMATS: readonly Format[] = [
  { codec: 'PCMU', clockRate: 8000 },
  { codec: 'G722', clockRate: 8000 },
  { codec: 'opus', clockRate: 48000, channels: 2 },
  { codec: 'AAC', clockRate: 48000, channels: 1 },
];

for (const rate of [8000, 16000, 48000] as const)
  describe(`20 ms at ${rate} Hz (AAC: its frames of 21 ms)`, async () => {
    const pcm = noise(rate, -15);
    const block = rate / 50;
    for (const format of FORMATS) {
      const encoder = await openEncoder(format, rate);
      const frames = encodeAll(encoder, pcm);
      const decoder = await openDecoder(encoder.format, rate);
      const meter = await openLevelMeter(encoder.format);
      let i = 0;
      bench(`${format.codec} encode`, () => {
        const at = (i++ % 50) * block;
        encoder.encode(pcm.subarray(at, at + block), () => {});
      });
      bench(`${format.codec} decode`, () => void decoder.decode(frames[i++ % frames.length]!));
      bench(`${format.codec} level`, () => void meter.level(frames[i++ % frames.length]!));
    }
  });

describe('resample 20 ms', () => {
  for (const [from, to] of [
    [8000, 16000],
    [8000, 48000],
    [16000, 48000],
    [48000, 8000],
    [44100, 48000],
  ] as const) {
    const stage = resampler(from, to);
    const pcm = noise(from / 50);
    bench(`${from} to ${to}`, () => void stage.process(pcm));
  }
});
