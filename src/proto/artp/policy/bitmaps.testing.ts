import { seededRandom } from '../../../kit/random.ts';
import type { PathView } from '../rate/path-meter.ts';

export interface Fates {
  readonly seed: number;
  readonly loss: number;
  /** Mean length of a burst, ms; absent: every packet has its own luck. */
  readonly burstMs?: number;
  readonly seconds?: number;
  readonly tickMs?: number;
  /** Packets a tick, 5 ms apart. */
  readonly copies?: number;
}

/** What a path made of a steady stream. */
export function fates(o: Fates): PathView {
  const random = seededRandom(o.seed);
  const sentAt: number[] = [];
  const lost: number[] = [];
  let isBad = random() < o.loss;
  let at = 0;
  const tickMs = o.tickMs ?? 20;
  for (let tick = 3; tick < (o.seconds ?? 10) * 1000; tick += tickMs)
    for (let copy = 0; copy < (o.copies ?? 1); copy++) {
      const now = tick + copy * 5;
      if (o.burstMs === undefined) isBad = random() < o.loss;
      else {
        const kept = Math.exp(-(now - at) / (o.burstMs * (1 - o.loss)));
        isBad = random() < o.loss + ((isBad ? 1 : 0) - o.loss) * kept;
      }
      at = now;
      sentAt.push(now);
      lost.push(isBad ? 1 : 0);
    }
  return {
    sentAt: Float64Array.from(sentAt),
    lost: Uint8Array.from(lost),
    availableBps: 2_000_000,
    rttMs: 100,
  };
}
