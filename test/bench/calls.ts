import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type LoadOptions, sippLoad } from '../harness/peers/sipp-load.ts';
import { type Bench, type BenchOptions, type Figure, median } from './measure.ts';
import { Measured } from './measured.ts';
import { rawForwardUs } from './raw.ts';

/** An INVITE of sipp with its description. */
const INVITE_BYTES = 620;
/** INVITE, ACK and BYE come, 100, 200 and 200 go. */
const FORWARDS = 3;
const LOTS = 5;
const SECONDS = 4;
/** Of a call, from ACK to BYE. */
const CALL_MS = 200;
const RATES = [1600, 2500];
const DIALOGS = 1000;
const HOLD_MS = 20_000;
const SETTLED_MS = 6000;
/** RFC 3261 §17: what a call leaves behind is gone by then. */
const QUIET_MS = 36_000;
const MEGABYTE = 1024 * 1024;

export const calls: Bench = {
  name: 'calls',
  about:
    'sipp calls a SIP front alone over UDP (INVITE, 200, ACK, BYE, 200; no media, no platform); baseline: raw node:dgram forward of three datagrams of the size of an INVITE',
  async run(o) {
    o.note('a raw forward');
    const rawUs = await rawForwardUs(INVITE_BYTES - 12);
    return [...(await speed(o, FORWARDS * rawUs)), ...(await dialogs(o))];
  },
};

/** Rejects unless every call went through. */
type Load = (o: Pick<LoadOptions, 'calls' | 'perSecond' | 'callMs' | 'sessionExpiresS'>) => Promise<void>;

async function withFront<T>(run: (front: Measured, load: Load) => Promise<T>): Promise<T> {
  const dir = mkdtempSync(join(tmpdir(), 'roombridge-bench-'));
  const profiled = process.env.ROOMBRIDGE_CPU_PROFILE; // a folder
  const front = Measured.worker(
    new URL('./lone-front.ts', import.meta.url),
    [],
    ['--expose-gc', ...(profiled ? ['--cpu-prof', `--cpu-prof-dir=${profiled}`] : [])],
  );
  try {
    const [port] = (await front.said<number[]>('ports')) as [number];
    return await run(front, async o => {
      const { successful, output } = await sippLoad({ dir, server: `127.0.0.1:${port}`, rooms: 1, ...o });
      if (successful !== o.calls) throw new Error(`only ${successful} of ${o.calls} calls:\n${output}`);
    });
  } finally {
    await front.end();
    rmSync(dir, { recursive: true, force: true });
  }
}

const speed = ({ note }: BenchOptions, rawUs: number): Promise<Figure[]> =>
  withFront(async (front, load) => {
    const figures: Figure[] = [];
    await load({ calls: 3000, perSecond: 1000, callMs: CALL_MS }); // until its code is compiled for good
    for (const perSecond of RATES) {
      const [cpu, rate]: [number[], number[]] = [[], []];
      for (let lot = 0; lot < LOTS; lot++) {
        note(`${perSecond} calls a second, ${lot} of ${LOTS}`);
        const before = await front.usage();
        const began = performance.now();
        const calls = perSecond * SECONDS;
        await load({ calls, perSecond, callMs: CALL_MS });
        rate.push((calls * 1000) / (performance.now() - began - CALL_MS));
        cpu.push(((await front.usage()).cpuUs - before.cpuUs) / calls);
      }
      const us = median(cpu);
      const at = `at ${perSecond} calls a second asked for`;
      figures.push(
        { what: `a call, ${at}`, value: us, unit: 'µs', baseline: rawUs, goal: '≤ 250 µs' },
        { what: `calls a second completed, ${at}`, value: median(rate), unit: '/s', goal: '≥ 1500/s' },
        { what: `calls a second of CPU, ${at}`, value: 1e6 / us, unit: '/s', goal: '≥ 1500/s' },
      );
    }
    return figures;
  });

const dialogs = ({ note }: BenchOptions): Promise<Figure[]> =>
  withFront(async (front, load) => {
    const wait = (ms: number): Promise<void> => new Promise(done => setTimeout(done, ms));
    note('a front that has had calls and is idle again');
    await load({ calls: 500, perSecond: 500, callMs: CALL_MS, sessionExpiresS: 1800 });
    await wait(QUIET_MS);
    const idle = await front.usage(true);
    note(`${DIALOGS} dialogs`);
    const all = load({ calls: DIALOGS, perSecond: 500, callMs: HOLD_MS, sessionExpiresS: 1800 });
    await wait(SETTLED_MS);
    const fresh = await front.usage(true);
    await all;
    const above = (bytes: number): number => bytes / MEGABYTE;
    return [
      {
        what: `${DIALOGS} dialogs with session timers above idle, resident`,
        value: above(fresh.rssBytes - idle.rssBytes),
        unit: 'MB',
        goal: '≤ 50 MB',
      },
      { what: 'the same, heap and buffers', value: above(fresh.heapBytes - idle.heapBytes), unit: 'MB' },
    ];
  });
