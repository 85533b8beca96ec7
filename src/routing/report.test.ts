import { expect, it } from 'vitest';
import { NO_TAG } from '../proto/artp/relay/connection-id.ts';
import { pairReport } from './report.ts';
import type { PairView } from './router.ts';

const names = new Map([
  [2, { process: 'r2', region: 'west' }],
  [3, { process: 'r3', region: 'south' }],
]);
const path = {
  state: 'alive',
  rttMs: 40.04,
  oneWayMs: 20.02,
  loss: 0.1234,
  score: 3.987,
  correlation: 0.123,
} as const;

it('tells of a pair in numbers and in a sentence', () => {
  const pair: PairView = {
    tag: 2,
    chosen: 3,
    standby: NO_TAG,
    switchesLastHour: 1,
    paths: [
      { ...path, via: NO_TAG },
      { ...path, via: 3, loss: 0, score: 4.3, correlation: 1 },
      { ...path, via: 4, state: 'dead', rttMs: undefined, oneWayMs: undefined },
    ],
  };
  const report = pairReport({ process: 'r1', region: 'east' }, pair, tag => names.get(tag));
  expect(report).toEqual({
    from: { process: 'r1', region: 'east' },
    to: { process: 'r2', region: 'west' },
    paths: [
      {
        use: 'standby',
        state: 'alive',
        rttMs: 40,
        oneWayMs: 20,
        lossPercent: 12.3,
        score: 3.99,
        correlation: 0.12,
      },
      {
        via: 'r3',
        use: 'chosen',
        state: 'alive',
        rttMs: 40,
        oneWayMs: 20,
        lossPercent: 0,
        score: 4.3,
        correlation: 1,
      },
      { via: 'unknown', use: 'none', state: 'dead', lossPercent: 12.3, score: 3.99, correlation: 0.12 },
    ],
    switchesLastHour: 1,
    text:
      'To router r2 in west traffic takes the path by router r3 (20 ms one way, 0 % lost, score 4.3); the direct path stands by ' +
      '(20 ms one way, 12.3 % lost, score 3.99; its losses correlate 0.12 with those of the path taken); 1 switch in the last hour.',
  });
  const alone = pairReport({ process: 'r1', region: 'east' }, { ...pair, chosen: 4, standby: undefined }, t =>
    names.get(t),
  );
  expect(alone.text).toBe(
    'To router r2 in west traffic takes the path by router unknown (nothing passes there now); no other path is alive; 1 switch in the last hour.',
  );
});
