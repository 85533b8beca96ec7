import { fates } from '../../src/proto/artp/policy/bitmaps.testing.ts';
import { choosePolicy } from '../../src/proto/artp/policy/choose.ts';
import { type Bench, type Figure, median } from './measure.ts';

/** A choice takes too long for lots of five hundred. */
const LOTS = 20;
const LOT = 10;

const lossy = [
  fates({ seed: 1, loss: 0.3, copies: 2 }),
  fates({ seed: 2, loss: 0.3, burstMs: 80, copies: 2 }),
];
const clean = [fates({ seed: 1, loss: 0 })];
const CALL = { rttMs: 100, budgetMs: 100, sourceBps: 24_000, packetMs: 20, availableBps: 2_000_000 } as const;
const CAMERA = {
  rttMs: 100,
  budgetMs: 300,
  sourceBps: 300_000,
  packetMs: 66,
  availableBps: 2_000_000,
} as const;
const CASES: readonly [string, () => void][] = [
  ['sound, nothing lost', () => choosePolicy({ media: 'audio', paths: clean, ...CALL })],
  ['sound, one path', () => choosePolicy({ media: 'audio', paths: lossy.slice(0, 1), ...CALL })],
  ['sound, two paths', () => choosePolicy({ media: 'audio', paths: lossy, ...CALL })],
  [
    'sound, two paths, 320 ms to spare',
    () => choosePolicy({ media: 'audio', paths: lossy, ...CALL, budgetMs: 320 }),
  ],
  ['pictures, one path', () => choosePolicy({ media: 'video', paths: lossy.slice(0, 1), ...CAMERA })],
];

export const choices: Bench = {
  name: 'choices',
  about:
    'CPU of one choice of what to spend against loss: four a second and session, sound and pictures each',
  run({ note }) {
    const figures: Figure[] = [];
    for (const [what, choose] of CASES) {
      note(what);
      const lots: number[] = [];
      for (let lot = -2; lot < LOTS; lot++) {
        const before = process.cpuUsage();
        for (let i = 0; i < LOT; i++) choose();
        const { user, system } = process.cpuUsage(before);
        if (lot >= 0) lots.push((user + system) / LOT / 1000);
      }
      figures.push({ what, value: median(lots), unit: 'ms' });
    }
    return Promise.resolve(figures);
  },
};
