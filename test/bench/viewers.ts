import type { CrowdOrder, CrowdTold } from './crowd.ts';
import { type Bench, type BenchOptions, type Figure, median } from './measure.ts';
import { Measured } from './measured.ts';
import { type Program, startProgram } from './program.ts';

const VIEWERS = 50;
const HALF = VIEWERS / 2;
/** Of them, how many open what they get and time it. */
const OPENERS = 3;
/** The log of what was sent holds the bursts for joiners, too: a rush of them makes it grow. */
const JOIN_EVERY_MS = 300;
const LOTS = 5;
const LOT_S = 3;
const SETTLE_S = 3;
const KB = 1024;

export const viewers: Bench = {
  name: 'viewers',
  about:
    `CPU of the program per packet sent, one publisher of 720p30 at 2 Mbit/s to ${VIEWERS} WebRTC viewers (SRTP, ` +
    'transport-wide feedback); delay from the publisher’s send to the last packet of the picture at the viewer; ' +
    'baseline: the same packets fanned out by raw node:dgram, unsealed',
  async run(o) {
    const figures: Figure[] = [];
    const raw = await fanned(o);
    for (const by of ['rtmp', 'whip'] as const) figures.push(...(await watched(by, raw, o)));
    return figures;
  },
};

/** A process that publishes and watches. */
export class Crowd {
  readonly #process = Measured.worker(new URL('./crowd.ts', import.meta.url));
  /** The probe would swallow what comes before it listens. */
  readonly #ready = this.#process.said('ready');

  async obey<T = unknown>(order: CrowdOrder): Promise<T> {
    await this.#ready;
    const done = await this.#process.ask<T | { failed: string }>(order, 'done');
    if (typeof done === 'object' && done !== null && 'failed' in done) throw new Error(done.failed);
    return done as T;
  }

  end(): Promise<void> {
    return this.#process.end();
  }
}

interface Flow {
  readonly us: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly perPicture: number;
}

/** CPU and delays of some lots while a crowd watches; figures are medians of the lots. */
async function lots(process: Measured, crowd: Crowd): Promise<Flow> {
  await seconds(SETTLE_S);
  await crowd.obey({ do: 'tell' });
  const all: Flow[] = [];
  for (let lot = 0; lot < LOTS; lot++) {
    const before = await process.usage();
    await seconds(LOT_S);
    const [after, told] = await Promise.all([process.usage(), crowd.obey<CrowdTold>({ do: 'tell' })]);
    all.push({
      us: (after.cpuUs - before.cpuUs) / told.packets,
      p50Ms: told.delays.p50Ms,
      p99Ms: told.delays.p99Ms,
      perPicture: told.packets / told.pictures,
    });
  }
  const of = (key: keyof Flow): number => median(all.map(f => f[key]));
  return { us: of('us'), p50Ms: of('p50Ms'), p99Ms: of('p99Ms'), perPicture: of('perPicture') };
}

async function fanned({ note }: BenchOptions): Promise<Flow> {
  note('baseline');
  const crowd = new Crowd();
  const ports = await crowd.obey<number[]>({ do: 'sockets', count: VIEWERS });
  const fan = Measured.worker(
    new URL('./raw-fan.ts', import.meta.url),
    ports.map(p => `${p}`),
  );
  try {
    const [port] = (await fan.said<number[]>('ports')) as [number];
    await crowd.obey({ do: 'raw', port });
    return await lots(fan, crowd);
  } finally {
    await Promise.all([fan.end(), crowd.end()]);
  }
}

async function watched(by: 'rtmp' | 'whip', raw: Flow, { note }: BenchOptions): Promise<Figure[]> {
  const program = await startProgram();
  const crowd = new Crowd();
  const what = `${by === 'rtmp' ? 'RTMP' : 'WebRTC'} → ${VIEWERS} WebRTC`;
  try {
    note(what);
    await crowd.obey({ do: 'publish', by, to: publishAt(program, by) });
    const join = (from: number, count: number, everyMs: number): Promise<unknown> =>
      crowd.obey({ do: 'watch', url: watchAt(program), from, count, open: OPENERS, everyMs });
    await join(0, HALF, 0);
    await seconds(SETTLE_S);
    await program.process.usage(true); // a second collection frees what the first one found
    // What all share (the log of what was sent, the group of pictures, compiled code) is there by now.
    const before = await program.process.usage(true);
    await join(HALF, HALF, JOIN_EVERY_MS);
    const flow = await lots(program.process, crowd);
    await program.process.usage(true);
    const after = await program.process.usage(true);
    const perViewerKb = (after.heapBytes - before.heapBytes) / KB / HALF;
    return [
      { what: `${what}: a packet sent`, value: flow.us, unit: 'µs', baseline: raw.us, goal: '≤ 9 µs' },
      { what: `${what}: packets a picture and viewer`, value: flow.perPicture / VIEWERS, unit: '' },
      { what: `${what}: delay, p50`, value: flow.p50Ms, unit: 'ms', baseline: raw.p50Ms },
      { what: `${what}: delay, p99`, value: flow.p99Ms, unit: 'ms', baseline: raw.p99Ms },
      {
        what: `${what}: heap and buffers a viewer, after GC`,
        value: perViewerKb,
        unit: 'KB',
        goal: '≤ 60 KB',
      },
    ];
  } finally {
    await Promise.all([program.end(), crowd.end()]);
  }
}

export const publishAt = (
  { rtmp, http }: Program,
  by: 'rtmp' | 'whip',
  room = '1000',
  user = 'source',
): string =>
  by === 'rtmp'
    ? `rtmp://127.0.0.1:${rtmp}/room/${room}/${user}`
    : `http://localhost:${http}/whip/${room}?user=${user}`;
export const watchAt = ({ http }: Program, room = '1000', user = 'source'): string =>
  `http://localhost:${http}/whep/${room}/${user}`;
export const seconds = (s: number): Promise<void> => new Promise(resolve => setTimeout(resolve, s * 1000));
