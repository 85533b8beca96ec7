import { median } from './measure.ts';
import { Measured } from './measured.ts';
import { Stream } from './stream.ts';

const LOT = 4000;
const LOTS = 9;

/** The baseline of everything: CPU of a bare node:dgram forward of one packet with `bytes` of payload, µs. */
export async function rawForwardUs(bytes: number): Promise<number> {
  const stream = new Stream(bytes);
  const { to } = await stream.open();
  const raw = Measured.worker(new URL('./raw-forwarder.ts', import.meta.url), [`${to}`]);
  try {
    const [port] = (await raw.said<number[]>('ports')) as [number];
    await stream.send(port, 3 * LOT, 32);
    const lots: number[] = [];
    for (let lot = 0; lot < LOTS; lot++) {
      const before = await raw.usage();
      await stream.send(port, LOT, 32);
      const after = await raw.usage();
      lots.push((after.cpuUs - before.cpuUs) / LOT);
    }
    return median(lots);
  } finally {
    stream.close();
    await raw.end();
  }
}
