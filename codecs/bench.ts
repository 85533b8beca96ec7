/**
 * `npx tsx codecs/bench.ts`: CPU time per 20 ms of one stream (AAC: per frame of 21 ms), µs, beside a plain sum over
 * the 960 samples of 20 ms at 48 kHz measured in the same run. Not under vitest: its module wrapping slows tables down.
 */
import type { Format } from '../src/contract.ts';
import { openDecoder, openEncoder, openLevelMeter, type PcmRate } from './audio.ts';
import { levelOfPcm } from './level.ts';
import { resampler } from './resample/resample.ts';
import { encodeAll, noise } from './testing/sound.ts';

const FORMATS: readonly Format[] = [
  { codec: 'PCMU', clockRate: 8000 },
  { codec: 'PCMA', clockRate: 8000 },
  { codec: 'G722', clockRate: 8000 },
  { codec: 'opus', clockRate: 48000, channels: 2 },
  { codec: 'AAC', clockRate: 48000, channels: 1 },
];
const RUNS = 3000;

/** CPU time of one `run`, µs: the best of five rounds, so that neighbours on the machine count least. */
function microseconds(run: (i: number) => void): number {
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < 5; round++) {
    const before = process.cpuUsage();
    for (let i = 0; i < RUNS; i++) run(i);
    const { user, system } = process.cpuUsage(before);
    best = Math.min(best, (user + system) / RUNS);
  }
  return best;
}

const block20 = noise(960);
const baseline = microseconds(() => void levelOfPcm(block20));
const cell = (us: number): string =>
  `${us.toFixed(1).padStart(7)} (${(us / baseline).toFixed(1)}×)`.padEnd(18);
console.log(`baseline: level of 960 samples ${baseline.toFixed(2)} µs`);

async function row(format: Format, rate: PcmRate): Promise<void> {
  const pcm = noise(rate * 4, -15);
  const encoder = await openEncoder(format, rate);
  const frames = encodeAll(encoder, pcm);
  const decoder = await openDecoder(encoder.format, rate);
  const meter = await openLevelMeter(encoder.format);
  const block = Math.round((rate * encoder.frameTicks) / encoder.format.clockRate);
  const blocks = Math.floor(pcm.length / block);
  const encode = microseconds(i => {
    const at = (i % blocks) * block;
    encoder.encode(pcm.subarray(at, at + block), () => {});
  });
  const decode = microseconds(i => void decoder.decode(frames[i % frames.length]!));
  const level = microseconds(i => void meter.level(frames[i % frames.length]!));
  console.log(
    `${format.codec.padEnd(5)} ${String(rate).padStart(6)} Hz  ${[encode, decode, level].map(cell).join('')}`,
  );
  for (const it of [encoder, decoder, meter]) it.close();
}

console.log(`${''.padEnd(16)}encode            decode            level`);
for (const rate of [8000, 16000, 48000] as const) for (const format of FORMATS) await row(format, rate);
for (const [from, to] of [
  [8000, 16000],
  [8000, 48000],
  [16000, 48000],
  [48000, 8000],
  [44100, 48000],
] as const) {
  const stage = resampler(from, to);
  const pcm = noise(from / 50);
  console.log(`resample ${from} to ${to}: ${cell(microseconds(() => void stage.process(pcm)))}`);
}
