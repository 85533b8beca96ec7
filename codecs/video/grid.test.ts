import { afterAll, expect, it } from 'vitest';
import type { Clock, Format, Termination } from '../../src/contract.ts';
import { fitInside, gridCells } from './fit.ts';
import { openGrid } from './grid.ts';
import { openPattern, type Pattern } from './pattern.ts';
import type { PatternColour } from './pattern-code.ts';
import { h264, openViewer, until, vp8 } from './testing/tape.ts';
import { closeVideoWorkers } from './transcoder.ts';

afterAll(closeVideoWorkers);

/** Time goes on only when told. */
function handClock() {
  let now = 1000;
  const due = new Set<{ when: number; run: () => void }>();
  const clock: Clock = {
    now: () => now,
    at(when, run) {
      const entry = { when, run };
      due.add(entry);
      return () => due.delete(entry);
    },
  };
  const pass = (ms: number): void => {
    now += ms;
    for (const entry of [...due]) {
      if (entry.when > now) continue;
      due.delete(entry);
      entry.run();
    }
  };
  return { clock, pass };
}

/** The sources are all of one shape. */
async function open(to: Format, cells: number, shape = { width: 640, height: 360 }) {
  let count = cells;
  const viewer = await openViewer(to.codec as 'H264', picture =>
    gridCells(count, picture).map(cell => fitInside(shape, cell)),
  );
  const { clock, pass } = handClock();
  const failures: Termination[] = [];
  const formats: Format[] = [];
  const keys: number[] = [];
  const grid = await openGrid(to, {
    cells,
    bitrateBps: 1_500_000,
    onPacket: p => viewer.push(p),
    onFormat: f => formats.push(f),
    onKeyNeeded: cell => keys.push(cell),
    onFailed: why => failures.push(why),
    clock,
  });
  /** One more picture of the grid, decoded. */
  const picture = async () => {
    const before = viewer.seen.length;
    pass(67);
    await until(() => viewer.seen.length > before);
    return viewer.seen.at(-1)!;
  };
  await until(() => viewer.seen.length === 1);
  const layout = (n: number): void => {
    count = n;
    grid.cells(n);
  };
  const close = (): void => {
    grid.close();
    viewer.close();
  };
  return { grid, viewer, picture, layout, formats, keys, failures, close };
}

const source = (colour: PatternColour, width = 640, height = 360, codec: 'H264' | 'VP8' = 'H264') =>
  openPattern({ codec, width, height, fps: 15, colour });

it('shows up to nine tracks of both codecs and any size, each in its cell', async () => {
  const { grid, viewer, picture, formats, failures, close } = await open(h264(), 9);
  const colours = ['red', 'orange', 'yellow', 'green', 'cyan', 'blue', 'magenta', 'grey'] as const;
  const patterns: Pattern[] = [];
  for (const [i, colour] of colours.entries()) {
    const codec = i % 2 ? 'VP8' : 'H264';
    grid.cell(i).source(i % 2 ? vp8() : h264());
    patterns.push(await source(colour, 640, 360, codec));
  }
  let newest = await picture();
  for (let i = 0; i < 4; i++) {
    for (const [cell, p] of patterns.entries()) p.send(cell, packet => grid.cell(cell).push(packet, 0), 0);
    newest = await picture();
  }
  expect(newest).toMatchObject({ width: 1280, height: 720 });
  expect(newest.patterns.map(p => p?.colour)).toEqual([...colours, undefined]);
  expect(newest.patterns.slice(0, 8).map(p => p?.clockMs)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
  expect(newest.patterns[0]?.frameNumber).toBeGreaterThanOrEqual(2);
  expect(viewer.seen.map(s => s.pts)).toEqual(viewer.seen.map((_, i) => i * 67 * 90));
  expect(formats.map(f => f.fmtp?.['x-size'])).toEqual(['1280x720']);
  expect([failures, grid.dropped]).toEqual([[], 0]);
  for (const p of patterns) p.close();
  close();
});

it('members come and go, and the canvas is laid out anew', async () => {
  const { grid, picture, layout, close } = await open(vp8({ 'max-fs': '1200' }), 1);
  const red = await source('red');
  const blue = await source('blue', 640, 360, 'VP8');
  const send = (p: Pattern, cell: number): void => {
    p.send(0, packet => grid.cell(cell).push(packet, 0), 0);
  };
  const colours = async (): Promise<(string | undefined)[]> => (await picture()).patterns.map(p => p?.colour);
  send(red, 0); // no source yet: ignored
  expect(await colours()).toEqual([undefined]);
  grid.cell(0).source(h264());
  red.requestKey();
  send(red, 0);
  await picture();
  expect(await colours()).toEqual(['red']);
  layout(2);
  grid.cell(1).source(vp8());
  send(blue, 1);
  await picture();
  expect(await colours()).toEqual(['red', 'blue']);
  grid.cell(0).source(undefined);
  expect(await colours()).toEqual([undefined, 'blue']);
  grid.cell(0).source(vp8());
  blue.requestKey();
  send(blue, 0);
  await picture();
  expect(await colours()).toEqual(['blue', 'blue']);
  layout(1);
  expect(await colours()).toEqual(['blue']);
  red.close();
  blue.close();
  close();
});

it('fits what the receiver takes, letterboxes what is of another shape, and sends a keyframe when asked', async () => {
  const { grid, viewer, picture, close } = await open(h264({ 'profile-level-id': '42e01e' }), 1, {
    width: 360,
    height: 640,
  });
  const tall = await source('green', 360, 640);
  grid.cell(0).source(h264());
  tall.send(0, packet => grid.cell(0).push(packet, 0), 0);
  await picture();
  grid.requestKey();
  expect(await picture()).toMatchObject({ width: 854, height: 480, patterns: [{ colour: 'green' }] });
  const keys = viewer.packets.filter(p => p.frame?.key && p.frame.start).map(p => p.pts / (67 * 90));
  expect(keys).toEqual([0, 2]);
  tall.close();
  close();
});
