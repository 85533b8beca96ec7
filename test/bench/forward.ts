import { type Bench, type Figure, median } from './measure.ts';
import { Measured } from './measured.ts';
import { Stream } from './stream.ts';

const LOT = 5000;
const LOTS = 24;
const WARM_UP = 30_000;

/** CPU of one packet in two forwarders, lots taking turns. */
interface Pair {
  readonly roomUs: number;
  readonly rawUs: number;
}

export const forward: Bench = {
  name: 'forward',
  about:
    'CPU of the forwarding process per RTP packet, phone leg to passthrough leg; baseline: raw node:dgram',
  async run({ note }) {
    const stream = new Stream();
    const { from, to } = await stream.open();
    const room = Measured.worker(new URL('./room-forwarder.ts', import.meta.url), [`${to}`, `${from}`]);
    const raw = Measured.worker(new URL('./raw-forwarder.ts', import.meta.url), [`${to}`]);
    try {
      const both = [room, raw].map(async process => ({
        process,
        port: (await process.said<number[]>('ports'))[0] as number,
      }));
      const [roomAt, rawAt] = (await Promise.all(both)) as [At, At];
      note('warming up');
      for (const at of [roomAt, rawAt]) await stream.send(at.port, WARM_UP, 32);
      const figures: Figure[] = [];
      for (const inFlight of [32, 1]) {
        note(`${LOTS} × ${LOT} packets, ${inFlight} in flight`);
        const { roomUs, rawUs } = await pair(stream, roomAt, rawAt, inFlight);
        const what =
          inFlight === 1 ? 'a packet that comes alone' : `a packet of a burst (${inFlight} in flight)`;
        figures.push({ what, value: roomUs, unit: 'µs', baseline: rawUs, goal: '≤ 2.0×' });
      }
      figures.push({ what: 'lost', value: stream.lost, unit: 'packets' });
      return figures;
    } finally {
      stream.close();
      await Promise.all([room.end(), raw.end()]);
    }
  },
};

interface At {
  readonly process: Measured;
  readonly port: number;
}

async function pair(stream: Stream, room: At, raw: At, inFlight: number): Promise<Pair> {
  const lots = { room: [] as number[], raw: [] as number[] };
  for (let lot = 0; lot < LOTS; lot++) {
    lots.room.push(await perPacket(stream, room, inFlight));
    lots.raw.push(await perPacket(stream, raw, inFlight));
  }
  return { roomUs: median(lots.room), rawUs: median(lots.raw) };
}

async function perPacket(stream: Stream, { process, port }: At, inFlight: number): Promise<number> {
  const before = await process.usage();
  await stream.send(port, LOT, inFlight);
  const after = await process.usage();
  return (after.cpuUs - before.cpuUs) / LOT;
}
