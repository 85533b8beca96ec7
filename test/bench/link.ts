import { identity } from '../harness/link.ts';
import { PER_SECOND, TRACKS } from './link-load.ts';
import { type Bench, type Figure, median } from './measure.ts';
import { Measured } from './measured.ts';

const WARM_UP_S = 3;
const LOT_S = 4;
const LOTS = 3;

const worker = (name: string, arg?: object | number): Measured =>
  Measured.worker(
    new URL(`./${name}.ts`, import.meta.url),
    arg === undefined ? [] : [JSON.stringify(arg)],
    (process.env.BENCH_NODE_ARGS ?? '').split(' ').filter(a => a !== ''),
  );

interface Pair {
  readonly from: Measured;
  readonly to: Measured;
}
interface Lot {
  /** Share of one core. */
  readonly from: number;
  readonly to: number;
  readonly lost: number;
}

export const link: Bench = {
  name: 'link',
  about: `an agent–room link of ${TRACKS} tracks at ${PER_SECOND} packets/s, a process at each end; baseline: the same by raw node:dgram`,
  async run({ note }) {
    const [agent, node] = [identity('agent'), identity('room-node')];
    const room = worker('link-room', { ...node, trusted: agent.fingerprint });
    const ear = worker('raw-agent');
    const open: Measured[] = [room, ear];
    try {
      const ports = await room.said<{ tlsPort: number }>('ports');
      const mine = worker('link-agent', { ...agent, ...ports, fingerprint: node.fingerprint });
      const raw = worker('raw-agent', await ear.said<number>('ports'));
      open.push(mine, raw);
      await Promise.all([mine.said('ready'), raw.said('ports')]);
      const pairs = { ours: { from: mine, to: room }, raw: { from: raw, to: ear } };
      for (const [name, pair] of Object.entries(pairs)) {
        note(`warming up: ${name}`);
        await lot(pair, WARM_UP_S);
      }
      const lots = { ours: [] as Lot[], raw: [] as Lot[] };
      for (let i = 0; i < LOTS; i++)
        for (const name of ['raw', 'ours'] as const) {
          note(`lot ${i + 1} of ${LOTS}: ${name}`);
          lots[name].push(await lot(pairs[name], LOT_S));
        }
      const of = (name: keyof typeof lots, what: keyof Lot): number =>
        median(lots[name].map(l => l[what])) * 100;
      const figure = (what: string, key: keyof Lot, goal?: string): Figure => ({
        what,
        value: of('ours', key),
        unit: '%',
        baseline: of('raw', key),
        ...(goal !== undefined && { goal }),
      });
      for (const [name, process] of [
        ['agent', mine],
        ['room node', room],
      ] as const) {
        const drops = await process.asked<[string, number][]>('drops');
        if (drops.length > 0) note(`${name} dropped: ${drops.map(d => d.join(' ')).join(', ')}\n`);
      }
      return [
        figure('sender: of one core', 'from', '< 70 %'),
        figure('receiver: of one core', 'to', '< 70 %'),
        { what: 'lost', value: of('ours', 'lost'), unit: '%' },
      ];
    } finally {
      await Promise.all(open.map(p => p.end()));
    }
  },
};

async function lot({ from, to }: Pair, seconds: number): Promise<Lot> {
  const heard = await to.asked<number>('heard');
  const before = await Promise.all([from.usage(), to.usage()]);
  const began = performance.now();
  const sent = await from.ask<number>({ run: seconds }, 'ran');
  const after = await Promise.all([from.usage(), to.usage()]);
  const spentUs = (performance.now() - began) * 1000;
  return {
    from: (after[0].cpuUs - before[0].cpuUs) / spentUs,
    to: (after[1].cpuUs - before[1].cpuUs) / spentUs,
    lost: 1 - ((await to.asked<number>('heard')) - heard) / sent,
  };
}
