import type { Sound } from './wav.ts';

/** −20 dBFS: the peak of a sine whose level every member sends. */
const AMPLITUDE = 0.1;
const SLOT_MS = 2000;
const WINDOW_MS = 100;
/** Between the last one alone and all together: peers begin up to half a second early or late. */
const PAUSE_MS = 1000;

/**
 * One frequency a member, Hz, inside the telephone band. Chosen so that no sum, difference or third-order product
 * of two of them comes within 40 Hz of a third (`tones.test.ts` holds that).
 */
const ALL_HZ = [495, 727, 1084, 1989, 2652, 2773, 2955] as const;
export const TONES_HZ: readonly number[] = ALL_HZ.slice(0, 6);
/** The first member sings this until the first slot: who joins meanwhile can tell when it first heard something. */
const LEAD_HZ = 2955;

/** Who sounds when, on one wall clock: each alone in its slot, then all together. */
export class Schedule {
  readonly startMs: number;
  readonly members: number;
  constructor(startMs: number, members: number) {
    this.startMs = startMs;
    this.members = members;
  }
  get endMs(): number {
    return this.startMs + (this.members + 2) * SLOT_MS + PAUSE_MS;
  }

  /** When member `index` sounds alone, ms of the wall clock. */
  slotMs(index: number): number {
    return this.startMs + index * SLOT_MS + 100;
  }

  /** What member `index` plays if its sound begins at wall-clock `beginsMs`: silence but for its slots. */
  soundOf(index: number, beginsMs: number, rateHz = 48000): Sound {
    const samples = new Float32Array(Math.ceil(((this.endMs - beginsMs + 2000) / 1000) * rateHz));
    const burst = (fromMs: number, lengthMs: number, hz = TONES_HZ[index] as number): void => {
      const from = Math.round(((fromMs - beginsMs) / 1000) * rateHz);
      const length = Math.round((lengthMs / 1000) * rateHz);
      const fade = rateHz / 50; // 20 ms: no clicks, which would be heard in every band
      for (let i = 0; i < length; i++) {
        const gain = Math.min(1, i / fade, (length - i) / fade);
        const at = from + i;
        if (at >= 0 && at < samples.length)
          samples[at] = gain * AMPLITUDE * Math.sin((2 * Math.PI * hz * at) / rateHz);
      }
    };
    burst(this.slotMs(index), SLOT_MS - 200);
    burst(this.startMs + this.members * SLOT_MS + PAUSE_MS + 100, 2 * SLOT_MS - 200);
    if (index === 0) burst(beginsMs, this.startMs - 500 - beginsMs, LEAD_HZ);
    return { rateHz, samples };
  }
}

/** Level of `hz` in one Hann window of `sound`, dBFS of a sine's peak. */
export function levelAt(sound: Sound, fromSample: number, length: number, hz: number): number {
  const w = (2 * Math.PI * hz) / sound.rateHz;
  const coefficient = 2 * Math.cos(w);
  let s1 = 0;
  let s2 = 0;
  for (let i = 0; i < length; i++) {
    const hann = 0.5 - 0.5 * Math.cos((2 * Math.PI * i) / length);
    const s0 = (sound.samples[fromSample + i] ?? 0) * hann + coefficient * s1 - s2;
    s2 = s1;
    s1 = s0;
  }
  const power = Math.max(s1 * s1 + s2 * s2 - coefficient * s1 * s2, 0);
  return 20 * Math.log10((Math.sqrt(power) / length) * 4 + 1e-9); // Hann halves the amplitude, a sine has two sides
}

/** What one member heard: level of each tone, window by window. */
export interface Heard {
  /** dBFS, `levels[tone][window]`. */
  readonly levels: readonly Float64Array[];
  readonly windows: number;
}

export function listen(sound: Sound, members: number): Heard {
  const length = Math.round((sound.rateHz * WINDOW_MS) / 1000);
  const windows = Math.floor(sound.samples.length / length);
  const levels = Array.from({ length: members }, (_, tone) =>
    Float64Array.from({ length: windows }, (_, w) =>
      levelAt(sound, w * length, length, TONES_HZ[tone] as number),
    ),
  );
  return { levels, windows };
}

export interface Verdict {
  /** Members not heard alone in their slot for at least a second. */
  readonly notAlone: number[];
  /** How long, ms, all others sounded at once. */
  readonly togetherMs: number;
  /** dB between the weakest other's level in its slot and one's own loudest echo. */
  readonly ownBelowDb: number;
  /** Median level of each other in its slot, dBFS. */
  readonly slotDb: (number | undefined)[];
}

/** Heard means: above this, dBFS, for this long. A −20 dBFS tone comes back at −20 ± 6 in practice. */
const HEARD_DB = -34;
const HEARD_MS = 1000;
const ALONE_DB = 15;

/** Judges what member `self` heard. */
export function judge(heard: Heard, self: number): Verdict {
  const others = heard.levels.map((_, i) => i).filter(i => i !== self);
  const slotDb: (number | undefined)[] = heard.levels.map(() => undefined);
  const notAlone: number[] = [];
  for (const i of others) {
    const stretch = longest(heard, w => alone(heard, i, w, self));
    if (stretch.length * WINDOW_MS < HEARD_MS) notAlone.push(i);
    else slotDb[i] = median(stretch.map(w => (heard.levels[i] as Float64Array)[w] as number));
  }
  let together = 0; // in all: a busy machine may break one stretch in two
  for (let w = 0; w < heard.windows; w++)
    if (others.every(i => ((heard.levels[i] as Float64Array)[w] as number) > HEARD_DB)) together++;
  const own = loudestHeld(heard.levels[self] as Float64Array);
  const weakest = Math.min(...slotDb.filter(db => db !== undefined));
  return { notAlone, togetherMs: together * WINDOW_MS, ownBelowDb: weakest - own, slotDb };
}

/** The loudest level held for three windows: an echo lasts as long as its tone, a click of packet loss does not. */
function loudestHeld(levels: Float64Array): number {
  let loudest = Number.NEGATIVE_INFINITY;
  for (let w = 0; w + 2 < levels.length; w++)
    loudest = Math.max(
      loudest,
      Math.min(levels[w] as number, levels[w + 1] as number, levels[w + 2] as number),
    );
  return loudest;
}

/**
 * When a member first heard the lead tone, ms of the wall clock: the recording is laid over it at the slot of another
 * member (`by`). Off by as much as peers begin early or late, some tenths of a second.
 */
export function firstSoundMs(sound: Sound, plan: Schedule, by: number): number | undefined {
  const length = Math.round((sound.rateHz * WINDOW_MS) / 1000);
  const first = (hz: number): number => {
    for (let at = 0; at + length <= sound.samples.length; at += length)
      if (levelAt(sound, at, length, hz) > HEARD_DB) return (at / sound.rateHz) * 1000;
    return Number.NaN;
  };
  const at = plan.slotMs(by) + first(LEAD_HZ) - first(TONES_HZ[by] as number);
  return Number.isNaN(at) ? undefined : at;
}

/** Tone `i` sounds in window `w` and no other member's does. */
function alone(heard: Heard, i: number, w: number, self: number): boolean {
  const level = (heard.levels[i] as Float64Array)[w] as number;
  return (
    level > HEARD_DB &&
    heard.levels.every((tone, j) => j === i || j === self || (tone[w] as number) < level - ALONE_DB)
  );
}

function longest(heard: Heard, holds: (window: number) => boolean): number[] {
  let best: number[] = [];
  let run: number[] = [];
  for (let w = 0; w < heard.windows; w++) {
    if (holds(w)) run.push(w);
    else run = [];
    if (run.length > best.length) best = [...run];
  }
  return best;
}

const median = (values: number[]): number => values.sort((a, b) => a - b)[values.length >> 1] as number;
