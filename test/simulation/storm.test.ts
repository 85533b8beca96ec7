import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { Storm } from '../harness/simulation/storm.ts';

/** All events are shared by the seeds. */
const EVENTS = Number(process.env.STORM_EVENTS ?? 1000);
const SEEDS = process.env.STORM_SEED
  ? range(...(process.env.STORM_SEED.split('-').map(Number) as [number, number]))
  : range(1, 6);

function range(first: number, last = first): number[] {
  return Array.from({ length: last - first + 1 }, (_, n) => first + n);
}

let storm: Storm;
beforeEach(() => {
  vi.spyOn(Date, 'now').mockImplementation(() => storm.world.unixNow());
});
afterEach(() => {
  vi.restoreAllMocks();
});

it.each(SEEDS)(
  'kills, partitions and delays: no seat, port, ticket or slot is lost or doubled, seed %i',
  async seed => {
    storm = new Storm(seed);
    const events = Math.ceil(EVENTS / 6);
    const began = performance.now();
    await storm.run(events);
    if (process.env.STORM_LOG)
      console.log(
        storm.seen,
        storm.tickets,
        storm.world.clock.now() / 1000,
        'virtual s',
        performance.now() - began,
        'ms',
      );
    // And there was something to be lost.
    expect(storm.seen.placed).toBeGreaterThan(events);
    expect(storm.seen.moved).toBeGreaterThan(events / 20);
  },
  120_000,
);
