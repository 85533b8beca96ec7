import { monitorEventLoopDelay } from 'node:perf_hooks';
import { connect } from '@nats-io/transport-node';
import type { AgentAdvert, ProcessAdvert } from '../../src/agents/advert.ts';
import { Manager } from '../../src/agents/manager.ts';
import { Placement } from '../../src/agents/placement.ts';
import { ProcessTable } from '../../src/agents/table.ts';
import { inProcessBus } from '../../src/bus/in-process.ts';
import { natsBus } from '../../src/bus/nats.ts';
import type { Bus } from '../../src/bus/port.ts';
import type { Json } from '../../src/contract.ts';
import { systemClock } from '../../src/io/clock.ts';
import { Mesh } from '../../src/node/mesh.ts';
import { subjects } from '../../src/node/subjects.ts';
import { silentLog } from '../harness/fakes.ts';
import { natsMissing, startNatsServer } from '../harness/nats-server.ts';
import { type Bench, cpuOf, type Figure, median } from './measure.ts';
import { Measured } from './measured.ts';

const AGENTS = 1000;
const GATEWAYS = ['sip', 'rtmp', 'webrtc', 'native'];
const SECONDS = 7;
const WARM_UP_MS = 5000;
const TIMER_MS = 5;
const options = { clock: systemClock, onBug: () => {}, count: () => {} };

/** What a process with `each` agents says of itself; `beat` makes each different. */
export function advertOf(n: number, beat: number, each = 1): ProcessAdvert {
  const process = n.toString(16).padStart(12, '0');
  const agents = Array.from({ length: each }, (_, k): AgentAdvert => {
    const gateway = GATEWAYS[(n + k) % GATEWAYS.length] as string;
    return {
      agent: `${gateway}-${process}`,
      gateway,
      formats: ['opus', 'G722', 'PCMU', 'PCMA', 'H264', 'VP8'],
      capacity: 200,
      legs: (n * 7 + k + beat) % 200,
      draining: false,
    };
  });
  const fingerprint = process.repeat(6).slice(0, 64);
  return { v: 1, process, version: '0.1.0', region: n % 3 === 0 ? 'eu' : 'default', fingerprint, agents };
}

export const placement: Bench = {
  name: 'placement',
  about: `choosing an agent for a leg among the adverts of ${AGENTS}; baseline: looking once at the load of each`,
  async run() {
    const adverts = Array.from({ length: AGENTS }, (_, n) => advertOf(n, 0));
    const table = new ProcessTable();
    for (const advert of adverts) table.note(advert, 0);
    const manager = new Manager(table);
    const ask = { leg: 'l', gateway: 'sip', formats: ['opus', 'PCMU'], region: 'default', tried: [] };
    let now = 0;
    let least = 0;
    const cost = cpuOf({
      look: () => {
        least = Number.POSITIVE_INFINITY;
        for (const { agents } of adverts)
          for (const a of agents) least = Math.min(least, a.legs / a.capacity);
      },
      choose: () => void manager.choose(ask, (now += 10)),
      place: () => {
        const core = new Placement('sip');
        core.handle({ type: 'start' }, (now += 10));
        core.poll();
        const to = manager.choose(ask, now);
        if ('blame' in to) throw new Error(to.text);
        core.handle({ type: 'chosen', ask: 1, to }, now);
        core.poll();
        core.handle({ type: 'taken', agent: to.advert.agent, taken: { participant: 'p', secret: 's' } }, now);
        if (core.poll()?.type !== 'placed') throw new Error('not placed');
      },
    });
    const baseline = cost.look / 1000;
    return [
      { what: 'the manager names an agent', value: cost.choose / 1000, unit: 'ms', baseline, goal: '≤ 5 ms' },
      {
        what: 'a whole placement, without the bus',
        value: cost.place / 1000,
        unit: 'ms',
        baseline,
        goal: '≤ 5 ms',
      },
    ];
  },
};

export const heartbeats: Bench = {
  name: 'heartbeats',
  about: `the adverts of ${AGENTS} agents, one a second each: received, read, noted, expired; baseline: received and not looked at`,
  async run({ note }) {
    note('in one process');
    const figures: Figure[] = [await inOneProcess()];
    if (natsMissing) return figures;
    // Role `agent` is four agents in a process: sip, rtmp, webrtc, native.
    for (const { each, clocks } of [
      { each: GATEWAYS.length, clocks: 'set' },
      { each: 1, clocks: 'set' },
      { each: 1, clocks: 'wrong' },
    ] as const) {
      note(`through NATS, ${each} in a process, clocks ${clocks}`);
      figures.push(...(await throughNats(each, clocks)));
    }
    return figures;
  },
};

const mesh = (bus: Bus): Mesh =>
  new Mesh({
    process: 'reader',
    version: '0.1.0',
    region: 'default',
    fingerprint: '',
    bus,
    clock: systemClock,
    log: silentLog,
    agents: () => [],
    roomNode: () => undefined,
  });

const wait = (ms: number): Promise<void> => new Promise(done => setTimeout(done, ms));

/** Share of a core, %: of the middle one of some seconds, because the collector tidies up for 50 ms when it likes. */
async function shareOfASecond(): Promise<number> {
  const shares: number[] = [];
  for (let n = 0; n < SECONDS; n++) {
    const before = process.cpuUsage();
    const since = performance.now();
    await wait(1000);
    const { user, system } = process.cpuUsage(before);
    shares.push((user + system) / 10 / (performance.now() - since));
  }
  return median(shares);
}

/** A second's adverts at once, again and again; what a bus of one process costs to say them is in both figures. */
async function inOneProcess(): Promise<Figure> {
  const beat = async (bus: Bus): Promise<number> => {
    const spent: number[] = [];
    for (let n = 0; n < 2 * SECONDS; n++) {
      const adverts = Array.from({ length: AGENTS }, (_, i) => advertOf(i, n) as unknown as Json);
      const before = process.cpuUsage();
      for (const advert of adverts) bus.publish(subjects.advert, advert);
      await new Promise(done => setImmediate(done));
      const { user, system } = process.cpuUsage(before);
      spent.push((user + system) / 10_000); // µs of a second, as a share of a core in %
    }
    return median(spent);
  };
  const [deaf, hearing] = [inProcessBus(options), inProcessBus(options)];
  deaf.subscribe(subjects.advert, () => {});
  const reader = mesh(hearing);
  reader.start();
  const baseline = await beat(deaf);
  const value = await beat(hearing);
  reader.close();
  await Promise.all([deaf.close(), hearing.close()]);
  return { what: 'in one process', value, unit: '% of a core', baseline, goal: '≤ 2 %' };
}

/**
 * So many connections say them. `clocks`: `set`, as NTP does it, so that they speak at the same moments; `wrong`: each when
 * it likes. Also told: how late a timer of the reader came at worst, and of one that hears nothing.
 */
async function throughNats(each: number, clocks: 'set' | 'wrong'): Promise<Figure[]> {
  const nats = await startNatsServer();
  const processes = AGENTS / each;
  const args = [`${nats.port}`, `${processes}`, `${each}`, clocks];
  const beating = Measured.worker(new URL('./beating.ts', import.meta.url), args);
  const raw = await connect({ servers: nats.url });
  const bus = await natsBus({ ...options, url: nats.url, name: 'bench' });
  try {
    await beating.said('beating');
    const warm = mesh(bus);
    warm.start();
    await wait(WARM_UP_MS);
    warm.close();
    const idle = await shareOfASecond();
    const idleLate = await latest();
    raw.subscribe(subjects.advert, { callback: () => {} });
    const baseline = (await shareOfASecond()) - idle;
    await raw.close();
    const reader = mesh(bus);
    reader.start();
    const value = (await shareOfASecond()) - idle;
    const late = await latest();
    const heard = [...reader.table.processes()].length - 1;
    reader.close();
    if (heard !== processes) throw new Error(`${heard} of ${processes} processes were heard`);
    const what = `through NATS, ${processes} processes, clocks ${clocks}`;
    const goal = clocks === 'set' ? { goal: '≤ 2 %' } : {};
    return [
      { what, value, unit: '% of a core', baseline, ...goal },
      { what: '  a timer, late by at most', value: late, unit: 'ms', baseline: idleLate },
    ];
  } finally {
    await Promise.all([raw.close(), bus.close(), beating.end()]);
    await nats.kill();
  }
}

/** How late a timer came at worst, ms. */
async function latest(): Promise<number> {
  const delay = monitorEventLoopDelay({ resolution: TIMER_MS });
  delay.enable();
  await wait(SECONDS * 1000);
  delay.disable();
  return Math.max(0, delay.max / 1e6 - TIMER_MS);
}
