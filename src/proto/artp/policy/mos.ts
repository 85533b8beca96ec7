import { quality } from '../../../media/quality.ts';
import type { PathView } from '../rate/path-meter.ts';
import { chooseAudio } from './choose-audio.ts';

/** The call a path is scored by: Opus as the design's table has it. */
const SCORED = { sourceBps: 24_000, packetMs: 20, budgetMs: 100 } as const;

/** Opinion score, 1–4.5, of Opus speech with this share missing (0–1) after so long one way, repair included. */
export const predictedMos = (residual: number, delayMs: number): number =>
  quality({ codec: 'opus', lossPercent: residual * 100, jitterMs: 0, delayMs }).mos;

/** What speech would sound like over this path alone with the best policy on it. */
export function pathScore(view: PathView, rttMs: number): number {
  const choice = chooseAudio({
    media: 'audio',
    paths: [view],
    rttMs,
    availableBps: view.availableBps,
    ...SCORED,
  });
  return predictedMos(choice.residual, rttMs / 2 + choice.delayMs);
}
