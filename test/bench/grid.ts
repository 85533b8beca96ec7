import { openRtmpStream } from '../../gateways/dialer/rtmp-stream.ts';
import { systemClock } from '../../src/io/clock.ts';
import { readVideoTag } from '../../src/proto/rtmp/flv.ts';
import type { CrowdTold } from './crowd.ts';
import { type Bench, type BenchOptions, type Figure, median } from './measure.ts';
import { type Program, startProgram } from './program.ts';
import { Crowd, publishAt, seconds, watchAt } from './viewers.ts';

const MEMBERS = 4;
const VIEWERS = 10;
const LOTS = 5;
const LOT_S = 3;

export const grid: Bench = {
  name: 'grid',
  about:
    `A grid of ${MEMBERS} H.264 members in 720p30 composed for one RTMP player; beside it, in another room of the same ` +
    `process, 720p30 at 2 Mbit/s to ${VIEWERS} WebRTC viewers, whose delay is told; baseline: the same without the grid`,
  async run(o) {
    const program = await startProgram();
    const [cameras, viewers] = [new Crowd(), new Crowd()];
    try {
      return await measure(program, cameras, viewers, o);
    } finally {
      await Promise.all([cameras.end(), viewers.end()]);
      await program.end();
    }
  },
};

interface Share {
  readonly cores: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

async function measure(
  program: Program,
  cameras: Crowd,
  viewers: Crowd,
  { note }: BenchOptions,
): Promise<Figure[]> {
  note('members');
  for (let i = 0; i < MEMBERS; i++)
    await cameras.obey({
      do: 'publish',
      by: 'rtmp',
      to: publishAt(program, 'rtmp', '1000', `m${i}`),
      real: true,
    });
  await viewers.obey({ do: 'publish', by: 'whip', to: publishAt(program, 'whip', '2000') });
  await viewers.obey({
    do: 'watch',
    url: watchAt(program, '2000'),
    from: 0,
    count: VIEWERS,
    open: 3,
    everyMs: 0,
  });
  let pictures = 0;
  const player = await openRtmpStream({
    host: '127.0.0.1',
    port: program.rtmp,
    mode: 'play',
    name: '1000?as=watcher',
    clock: systemClock,
    media: ({ media, body }) => {
      if (media === 'video' && readVideoTag(body).type === 'frame') pictures++;
    },
  });
  note('without the grid');
  await seconds(3);
  const idle = await share(program, viewers);
  await layout(program, 'grid');
  note('with the grid');
  await seconds(4);
  const [from, began] = [pictures, performance.now()];
  const busy = await share(program, viewers);
  const fps = ((pictures - from) * 1000) / (performance.now() - began);
  player.close();
  return [
    { what: 'cores used, all of it', value: busy.cores, unit: '', baseline: idle.cores },
    { what: 'cores the grid costs', value: busy.cores - idle.cores, unit: '' },
    { what: 'pictures of the grid', value: fps, unit: 'a second' },
    { what: 'delay of forwarding, p50', value: busy.p50Ms, unit: 'ms', baseline: idle.p50Ms },
    { what: 'delay of forwarding, p99', value: busy.p99Ms, unit: 'ms', baseline: idle.p99Ms, goal: '≤ 2.0×' },
  ];
}

async function share({ process }: Program, viewers: Crowd): Promise<Share> {
  await viewers.obey({ do: 'tell' });
  const all: Share[] = [];
  for (let lot = 0; lot < LOTS; lot++) {
    const [before, at] = [await process.usage(), performance.now()];
    await seconds(LOT_S);
    const after = await process.usage();
    const cores = (after.cpuUs - before.cpuUs) / 1000 / (performance.now() - at);
    const { delays } = await viewers.obey<CrowdTold>({ do: 'tell' });
    all.push({ cores, p50Ms: delays.p50Ms, p99Ms: delays.p99Ms });
  }
  const of = (key: keyof Share): number => median(all.map(s => s[key]));
  return { cores: of('cores'), p50Ms: of('p50Ms'), p99Ms: of('p99Ms') };
}

async function layout({ http, adminKey }: Program, to: 'grid' | 'speaker'): Promise<void> {
  const answer = await fetch(`http://localhost:${http}/api/v1/rooms/1000`, {
    method: 'PUT',
    headers: { authorization: `Bearer ${adminKey}`, 'content-type': 'application/json' },
    body: JSON.stringify({ layout: to }),
  });
  if (!answer.ok) throw new Error(`PUT layout: ${answer.status} ${await answer.text()}`);
}
