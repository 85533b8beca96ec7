import type { PatternColour } from '../../../codecs/video/pattern-code.ts';
import type { PatternSeen } from '../../../codecs/video/pattern-read.ts';
import { readStills } from './clips.ts';
import type { Shown } from './room-player.ts';

/** So that looking costs less than what is looked at. */
const EVERY_MS = 100;

/** Takes a still picture of what a program shows, over and over, for so long; then reads them all. */
export async function watch(take: () => Promise<string>, forMs: number): Promise<Shown[]> {
  const taken: { readonly at: number; readonly file: string }[] = [];
  const until = Date.now() + forMs;
  for (let next = Date.now(); next < until; next += EVERY_MS) {
    await new Promise(resolve => setTimeout(resolve, next - Date.now()));
    const file = await take();
    taken.push({ at: Date.now(), file });
  }
  const seen = await readStills(taken.map(t => t.file));
  return taken.map(({ at }, i) => ({ at, seen: seen[i] }));
}

export interface Turn {
  /** From `sinceMs` to the first picture of the colour; undefined: there was none. */
  readonly tookMs: number | undefined;
  /** How long before that picture nothing was looked at: it may have been there as much earlier. */
  readonly grainMs: number;
  /** Colours seen before `sinceMs` and after the first picture of this one. */
  readonly before: readonly PatternColour[];
  readonly after: readonly PatternColour[];
}

/** When `colour` came. */
export function turned(shown: readonly Shown[], colour: PatternColour, sinceMs: number): Turn {
  const since = shown.findIndex(s => s.at >= sinceMs);
  const i = shown.findIndex((s, n) => n >= since && s.seen?.colour === colour);
  const first = since < 0 ? undefined : shown[i];
  const before = coloursOf(shown.slice(0, Math.max(since, 0)));
  if (first === undefined) return { tookMs: undefined, grainMs: 0, before, after: [] };
  const looked = Math.max(shown[i - 1]?.at ?? sinceMs, sinceMs);
  const after = coloursOf(shown.slice(i));
  return { tookMs: first.at - sinceMs, grainMs: first.at - looked, before, after };
}

const coloursOf = (shown: readonly Shown[]): PatternColour[] => [
  ...new Set(shown.flatMap(s => (s.seen ? [s.seen.colour] : []))),
];

/** Stretches of one colour, as they followed each other, with the numbers of their pictures. */
export function runs(
  seen: readonly (PatternSeen | undefined)[],
): { colour: PatternColour; numbers: number[] }[] {
  const all: { colour: PatternColour; numbers: number[] }[] = [];
  for (const s of seen) {
    if (s === undefined) continue;
    if (all.at(-1)?.colour !== s.colour) all.push({ colour: s.colour, numbers: [] });
    all.at(-1)?.numbers.push(s.frameNumber);
  }
  return all;
}
