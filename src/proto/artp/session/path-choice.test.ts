import { expect, test } from 'vitest';
import { seededRandom } from '../../../kit/random.ts';
import { LossRecorder } from '../rate/loss-recorder.ts';
import { Path } from './path.ts';
import { PathChoice } from './path-choice.ts';
import { SESSION_TIMES } from './types.ts';

/** Five seconds of probes, ten a second, over paths that fail as `failsAt` says. */
function walked(rtts: readonly number[], failsAt: (path: number, tick: number) => boolean): Path[] {
  const paths = rtts.map((rttMs, i) => {
    const path = new Path({ kind: 'udp', address: `192.0.2.${i}`, port: 7100 }, i, 'ready', 0);
    path.rttMs = rttMs;
    return path;
  });
  const recorders = rtts.map((_, i) => new LossRecorder(i));
  for (let tick = 0; tick < 100; tick++)
    paths.forEach(({ meter }, i) => {
      const now = tick * 50;
      meter.sent(tick, 100, now);
      if (!failsAt(i, tick)) recorders[i]!.note(tick, 0, now + 20);
      for (const part of recorders[i]!.report(1, now + 40) ?? []) meter.handle(part, now + 40);
    });
  return paths;
}

const choose = (choice: PathChoice, paths: readonly Path[], now: number): void =>
  choice.choose(paths, paths[0], 0, now);

/** The first two fail together; the third has bad times of its own. */
function threePaths(rtts: readonly number[]): Path[] {
  const random = seededRandom(5);
  const bad = Array.from({ length: 100 }, () => [random() < 0.3, random() < 0.3]);
  return walked(rtts, (path, tick) => bad[tick]![path < 2 ? 0 : 1]!);
}

test('the standby is the path that fails least together with the one in use, not the quickest', () => {
  const paths = threePaths([40, 50, 120]);
  const choice = new PathChoice(SESSION_TIMES);
  choose(choice, paths, 5000);
  expect(choice.active).toBe(paths[0]);
  expect(choice.standby).toBe(paths[2]);
});

test('nor is it one that is no good', () => {
  const paths = threePaths([40, 50, 1500]);
  const choice = new PathChoice(SESSION_TIMES);
  choose(choice, paths, 5000);
  expect(choice.standby).toBe(paths[1]);
});

test('where nothing is lost it is the quickest, and does not change for a little', () => {
  const paths = walked([40, 50, 70], () => false);
  const choice = new PathChoice(SESSION_TIMES);
  choose(choice, paths, 5000);
  expect(choice.standby).toBe(paths[1]);
  paths[1]!.rttMs = 100;
  choose(choice, paths, 7000);
  expect(choice.standby).toBe(paths[1]);
  paths[1]!.rttMs = 400;
  choose(choice, paths, 7500);
  expect(choice.standby).toBe(paths[1]);
  choose(choice, paths, 8500);
  expect(choice.standby).toBe(paths[2]);
});

test('a standby that dies is replaced at once', () => {
  const paths = threePaths([40, 50, 120]);
  const choice = new PathChoice(SESSION_TIMES);
  choose(choice, paths, 5000);
  paths[2]!.state = 'silent';
  choose(choice, paths, 5001);
  expect(choice.standby).toBe(paths[1]);
});
