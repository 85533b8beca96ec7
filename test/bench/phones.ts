import { type Call, Caller } from './caller.ts';
import { type Bench, type BenchOptions, type Figure, median } from './measure.ts';
import { Measured, type Usage } from './measured.ts';
import { Phone, PTIME_MS, voices } from './phone.ts';
import { startProgram } from './program.ts';

const ROOMS = 20;
const PHONES_PER_ROOM = 10;
const TALKERS_PER_ROOM = 3;
const WARM_UP_S = 45;
const SAMPLE_S = 5;
/** How long the baseline, the same packets through a bare forwarder, runs. */
const RAW_S = 20;
const MB = 1024 * 1024;

export const phones: Bench = {
  name: 'phones',
  about: `${ROOMS * PHONES_PER_ROOM} G.711 phones in ${ROOMS} rooms, ${TALKERS_PER_ROOM} talking in each, against the program; baseline: as many packets through raw node:dgram`,
  async run(o) {
    const { talking, quiet } = await voices();
    const all = Array.from(
      { length: ROOMS * PHONES_PER_ROOM },
      (_, i) => new Phone(i + 1, i % PHONES_PER_ROOM < TALKERS_PER_ROOM ? talking : quiet),
    );
    try {
      const ports: number[] = [];
      for (const phone of all) ports.push(await phone.open());
      o.note('baseline');
      const raw = await reflected(all);
      const program = await startProgram();
      const idler = Measured.worker(new URL('./raw-forwarder.ts', import.meta.url));
      try {
        await idler.said('ports');
        return await inRooms(program, idler, all, ports, raw, o);
      } finally {
        await Promise.all([program.end(), idler.end()]);
      }
    } finally {
      for (const phone of all) phone.close();
    }
  },
};

/** Every phone's packets come straight back to it: CPU, % of one core. */
async function reflected(all: readonly Phone[]): Promise<number> {
  const raw = Measured.worker(new URL('./raw-forwarder.ts', import.meta.url), ['0', `${all.length}`]);
  try {
    const ports = await raw.said<number[]>('ports');
    const stop = pace(all, ports);
    await seconds(3);
    const [before, at] = [await raw.usage(), performance.now()];
    await seconds(RAW_S);
    const after = await raw.usage();
    stop();
    return percent(before, after, performance.now() - at);
  } finally {
    await raw.end();
  }
}

async function inRooms(
  { process, sip }: Awaited<ReturnType<typeof startProgram>>,
  idler: Measured,
  all: readonly Phone[],
  ports: readonly number[],
  raw: number,
  { minutes, note }: BenchOptions,
): Promise<readonly Figure[]> {
  const caller = new Caller(sip);
  await caller.open();
  const calls: Call[] = [];
  for (const [i, port] of ports.entries())
    calls.push(await caller.call(`room-${Math.floor(i / PHONES_PER_ROOM)}`, `phone-${i}`, port));
  const stop = pace(
    all,
    calls.map(call => call.rtpPort),
  );
  note(`warming up, ${WARM_UP_S} s`);
  await seconds(WARM_UP_S);
  for (const phone of all) phone.reset();
  const first = await process.usage(true);
  const began = performance.now();
  const samples: Usage[] = [];
  const witness: Usage[] = [];
  await idler.usage(); // forgets what it saw of the warm-up
  const cpu: number[] = [];
  for (let last = first, at = began; performance.now() - began < minutes * 60_000; ) {
    await seconds(SAMPLE_S);
    const now = performance.now();
    const sample = await process.usage();
    cpu.push(percent(last, sample, now - at));
    samples.push(sample);
    witness.push(await idler.usage());
    [last, at] = [sample, now];
    note(`${((now - began) / 60_000).toFixed(1)} of ${minutes} min, ${cpu.at(-1)?.toFixed(0)} %`);
  }
  const steadyMs = performance.now() - began;
  const heard = tally(all);
  const last = await process.usage(true);
  stop();
  await Promise.all(calls.map(call => call.end()));
  caller.close();
  return report({ first, last, samples, witness, cpu, heard, steadyMs, raw });
}

interface Run {
  readonly first: Usage;
  readonly last: Usage;
  readonly samples: readonly Usage[];
  /** Of a process that does nothing, over the same time. */
  readonly witness: readonly Usage[];
  readonly cpu: readonly number[];
  readonly heard: ReturnType<typeof tally>;
  readonly steadyMs: number;
  readonly raw: number;
}

function report({ first, last, samples, witness, cpu, heard, steadyMs, raw }: Run): readonly Figure[] {
  const edge = Math.max(1, Math.min(6, Math.floor(samples.length / 3)));
  const rss = (part: readonly Usage[]): number => median(part.map(u => u.rssBytes)) / MB;
  const late = samples.map(u => u.delayMs);
  const idle = witness.map(u => u.delayMs);
  const made = heard.received / heard.due(steadyMs);
  const spent = percent(first, last, steadyMs);
  return [
    { what: 'CPU of one core, median', value: median(cpu), unit: '%', baseline: raw, goal: '< 60 %' },
    // A process that gets no core makes less sound and looks cheap: what was not made is charged at the price of the rest.
    { what: 'CPU had all been made, at most', value: spent / Math.min(1, made), unit: '%', goal: '< 60 %' },
    { what: 'RSS after warm-up', value: rss(samples.slice(0, edge)), unit: 'MB' },
    {
      what: `RSS growth in ${(steadyMs / 60_000).toFixed(1)} min`,
      value: rss(samples.slice(-edge)) - rss(samples.slice(0, edge)),
      unit: 'MB',
      goal: 'none',
    },
    {
      what: 'heap growth, after forced GC',
      value: (last.heapBytes - first.heapBytes) / MB,
      unit: 'MB',
      goal: 'none',
    },
    { what: 'event loop late, median', value: median(late.map(d => d.p50)), unit: 'ms' },
    { what: 'event loop late, p99', value: median(late.map(d => d.p99)), unit: 'ms' },
    { what: 'event loop late, worst', value: Math.max(...late.map(d => d.max)), unit: 'ms' },
    // Where the idle one is late as well the machine is short of cores; where it is not, the program stalls by itself.
    { what: 'an idle process beside it late, p99', value: median(idle.map(d => d.p99)), unit: 'ms' },
    { what: 'an idle process beside it late, worst', value: Math.max(...idle.map(d => d.max)), unit: 'ms' },
    {
      what: 'packets that phones got, of those due',
      value: heard.received,
      unit: 'packets',
      baseline: heard.due(steadyMs),
    },
    { what: 'numbered but never came', value: heard.lost, unit: 'packets', goal: 'none' },
    { what: 'with sound in them', value: (100 * heard.audible) / heard.received, unit: '%' },
  ];
}

function tally(all: readonly Phone[]) {
  const sum = (of: (p: Phone) => number): number => all.reduce((total, p) => total + of(p), 0);
  return {
    received: sum(p => p.received),
    audible: sum(p => p.audible),
    lost: sum(p => p.lost),
    due: (ms: number): number => (all.length * ms) / PTIME_MS,
  };
}

/** Each phone sends to its port every 20 ms, their turns spread evenly. Gives the undo. */
function pace(all: readonly Phone[], ports: readonly number[]): () => void {
  const began = performance.now();
  let turn = 0;
  const timer = setInterval(() => {
    const due = ((performance.now() - began) * all.length) / PTIME_MS;
    for (; turn < due; turn++) {
      const i = turn % all.length;
      (all[i] as Phone).send(ports[i] as number);
    }
  }, 1);
  return () => clearInterval(timer);
}

const percent = (before: Usage, after: Usage, ms: number): number => (after.cpuUs - before.cpuUs) / 10 / ms;
const seconds = (s: number): Promise<void> => new Promise(resolve => setTimeout(resolve, s * 1000));
