import { levelAt, TONES_HZ } from './tones.ts';
import type { Sound } from './wav.ts';

const AMPLITUDE = 0.1;
const WINDOW_MS = 50;
const HEARD_DB = -34;
/** Of a packet. */
const FRAME_MS = 20;
/** What a codec change, a jitter buffer or a machine with other work may leave out of a tone without ending it. */
const JOIN_MS = 800;
/** Shorter than this is a click. */
const LEAST_MS = 200;

export interface Span {
  readonly fromMs: number;
  readonly toMs: number;
}

/** Member `index` sounding without a pause. */
export function toneOf(index: number, seconds: number, rateHz = 48_000): Sound {
  const w = (2 * Math.PI * (TONES_HZ[index] as number)) / rateHz;
  return {
    rateHz,
    samples: Float32Array.from({ length: seconds * rateHz }, (_, i) => AMPLITUDE * Math.sin(w * i)),
  };
}

/** When the tone of member `index` was heard, ms from the beginning of the recording. */
export function spansOf(sound: Sound, index: number): Span[] {
  const length = Math.round((sound.rateHz * WINDOW_MS) / 1000);
  const spans: { fromMs: number; toMs: number }[] = [];
  for (let w = 0; (w + 1) * length <= sound.samples.length; w++) {
    if (levelAt(sound, w * length, length, TONES_HZ[index] as number) <= HEARD_DB) continue;
    const last = spans.at(-1);
    const fromMs = w * WINDOW_MS;
    if (last !== undefined && fromMs - last.toMs <= JOIN_MS) last.toMs = fromMs + WINDOW_MS;
    else spans.push({ fromMs, toMs: fromMs + WINDOW_MS });
  }
  return spans.filter(s => s.toMs - s.fromMs >= LEAST_MS);
}

/** Of so much from `fromMs` on, the share in which the tone of member `index` was heard. Nothing is bridged. */
export function shareHeard(sound: Sound, index: number, fromMs: number, lastingMs: number): number {
  const { rateHz } = sound;
  const length = Math.round((rateHz * FRAME_MS) / 1000);
  const windows = Math.round(lastingMs / FRAME_MS);
  const first = Math.round((fromMs * rateHz) / 1000);
  let heard = 0;
  for (let w = 0; w < windows; w++) {
    const at = first + w * length;
    if (at + length > sound.samples.length) break; // what is not in it was not heard
    if (levelAt(sound, at, length, TONES_HZ[index] as number) > HEARD_DB) heard++;
  }
  return heard / windows;
}

/** Milliseconds of silence between the spans. */
export const gapsOf = (spans: readonly Span[]): number[] =>
  spans.slice(1).map((s, i) => s.fromMs - (spans[i] as Span).toMs);

export const heardMs = (spans: readonly Span[]): number => spans.reduce((ms, s) => ms + s.toMs - s.fromMs, 0);

/** The longest time, ms, for which the tone of member `index` was missing of the last `lastMs` of a recording. */
export function silenceMs(sound: Sound, index: number, lastMs: number): number {
  const { rateHz, samples } = sound;
  const tail = samples.subarray(Math.max(0, samples.length - Math.ceil(((lastMs + 1000) * rateHz) / 1000)));
  const endMs = (tail.length / rateHz) * 1000;
  let heardTo = endMs - lastMs; // before its beginning, when it is shorter: what is not in it was not heard
  let longest = 0;
  for (const { fromMs, toMs } of spansOf({ rateHz, samples: tail }, index)) {
    if (toMs <= heardTo) continue;
    longest = Math.max(longest, fromMs - heardTo);
    heardTo = toMs;
  }
  return Math.max(longest, endMs - heardTo);
}
