/** When a recording flashes and when it beeps, as ffmpeg decodes it. */
import { Child } from '../child.ts';

const WHITE = 140;
const LOUD_DB = -30;
/** Flashes and beeps are two seconds apart: what begins sooner after the one before is part of it. */
const APART_S = 1;

/** Times of the beginnings, seconds, on the one clock of the file. */
export interface Flashes {
  readonly flashes: readonly number[];
  readonly beeps: readonly number[];
}

export async function flashesOf(file: string): Promise<Flashes> {
  const brightness = await frames(`movie=${file},signalstats`, 'lavfi.signalstats.YAVG');
  // 5 ms a piece: the beginning of a beep is that exact.
  const loudness = await frames(
    `amovie=${file},aresample=48000,asetnsamples=n=240,astats=metadata=1:reset=1`,
    'lavfi.astats.Overall.RMS_level',
  );
  return {
    flashes: beginnings(brightness.filter(([, y]) => y > WHITE)),
    beeps: beginnings(loudness.filter(([, db]) => db > LOUD_DB)),
  };
}

/** By how much each flash comes later than its beep, ms. */
export function apart({ flashes, beeps }: Flashes): number[] {
  return flashes.flatMap(flash => {
    const beep = beeps.reduce(
      (a, b) => (Math.abs(b - flash) < Math.abs(a - flash) ? b : a),
      Number.NaN || 1e9,
    );
    return Math.abs(beep - flash) < APART_S ? [Math.round((flash - beep) * 1000)] : [];
  });
}

const beginnings = (times: readonly (readonly [number, number])[]): number[] =>
  times.map(([at]) => at).filter((at, i, all) => i === 0 || at - (all[i - 1] as number) > APART_S);

async function frames(graph: string, tag: string): Promise<[at: number, value: number][]> {
  const probe = new Child('ffprobe', 'ffprobe', [
    ...['-v', 'error', '-f', 'lavfi', graph.replaceAll(':', ':')],
    ...['-show_entries', `frame=pts_time:frame_tags=${tag}`, '-of', 'csv=p=0'],
  ]);
  const code = await probe.exited;
  if (code !== 0) throw new Error(`ffprobe ended with ${code}: ${probe.output.slice(-2000)}`);
  return probe.output
    .trim()
    .split('\n')
    .map(line => line.split(',').map(Number) as [number, number])
    .filter(([at, value]) => Number.isFinite(at) && Number.isFinite(value));
}
