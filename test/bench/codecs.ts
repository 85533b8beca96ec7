import { openDecoder, openEncoder, openLevelMeter, type PcmRate } from '../../codecs/audio.ts';
import { levelOfPcm } from '../../codecs/level.ts';
import { resampler } from '../../codecs/resample/resample.ts';
import { encodeAll, noise } from '../../codecs/testing/sound.ts';
import type { Format } from '../../src/contract.ts';
import { type Bench, cpuOf, type Figure } from './measure.ts';

const FORMATS: readonly Format[] = [
  { codec: 'PCMU', clockRate: 8000 },
  { codec: 'PCMA', clockRate: 8000 },
  { codec: 'G722', clockRate: 8000 },
  { codec: 'opus', clockRate: 48000, channels: 2 },
  { codec: 'AAC', clockRate: 48000, channels: 1 },
];
const RATES: readonly PcmRate[] = [8000, 16000, 48000];
const RESAMPLED = [
  [8000, 16000],
  [8000, 48000],
  [16000, 48000],
  [48000, 8000],
  [44100, 48000],
] as const;

export const codecs: Bench = {
  name: 'codecs',
  about: 'CPU for 20 ms of one stream (AAC: a frame of 21 ms); baseline: squares of 960 samples summed',
  async run({ note }) {
    const figures: Figure[] = [];
    for (const rate of RATES)
      for (const format of FORMATS) {
        note(`${format.codec} at ${rate} Hz`);
        figures.push(...(await row(format, rate)));
      }
    for (const [from, to] of RESAMPLED) {
      note(`${from} to ${to} Hz`);
      const stage = resampler(from, to);
      const pcm = noise(from / 50);
      const { run, sum } = cpuOf({ run: () => void stage.process(pcm), sum: baseline });
      figures.push({ what: `resample ${from} to ${to} Hz`, value: run, unit: 'µs', baseline: sum });
    }
    return figures;
  },
};

const block20 = noise(960);
const baseline = (): void => void levelOfPcm(block20);

async function row(format: Format, rate: PcmRate): Promise<Figure[]> {
  const pcm = noise(rate * 4, -15);
  const encoder = await openEncoder(format, rate);
  const frames = encodeAll(encoder, pcm);
  const decoder = await openDecoder(encoder.format, rate);
  const meter = await openLevelMeter(encoder.format);
  const block = Math.round((rate * encoder.frameTicks) / encoder.format.clockRate);
  const blocks = Math.floor(pcm.length / block);
  let i = 0;
  const cost = cpuOf({
    encode: () => {
      const at = (i++ % blocks) * block;
      encoder.encode(pcm.subarray(at, at + block), () => {});
    },
    decode: () => void decoder.decode(frames[i++ % frames.length] as Uint8Array),
    level: () => void meter.level(frames[i++ % frames.length] as Uint8Array),
    sum: baseline,
  });
  for (const it of [encoder, decoder, meter]) it.close();
  return (['encode', 'decode', 'level'] as const).map(what => ({
    what: `${format.codec} at ${rate} Hz: ${what}`,
    value: cost[what],
    unit: 'µs',
    baseline: cost.sum,
  }));
}
