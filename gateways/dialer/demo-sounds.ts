import { type AudioEncoder, openEncoder, type PcmRate } from '../../codecs/audio.ts';
import type { Format } from '../../src/contract.ts';
import type { Tone } from './tone.ts';

/** One round of all members of the demo, s: a whole number of frames of AAC (1024 samples) and of 20 ms. */
export const ROUND_S = 12.8;
const PEAK = 32767 * 10 ** (-12 / 20);
const RATES: Readonly<Record<string, PcmRate>> = { opus: 48000, AAC: 48000, G722: 16000 };

/** Who sounds how, one after the other, so that the room has an active speaker. Semitones from A4, and syllables. */
export const PARTS = {
  voice: { fromS: 0.2, notes: [-12, -10, -8, -5, -8, -10, -12], stepS: 0.5, sound: sung },
  chimes: { fromS: 4.4, notes: [0, 4, 7, 12, 7, 4, 0], stepS: 0.5, sound: chime },
  marimba: { fromS: 8.6, notes: [-5, 0, 3, 7, 3, 10, 7, -5], stepS: 0.45, sound: struck },
} as const;
export type Part = keyof typeof PARTS;

/** A member's part, encoded once, to be sent round and round. Rejects with a Refusal when the codec cannot be had. */
export async function openPart(part: Part, format: Format, ptimeMs = 20): Promise<Tone> {
  const rate = RATES[format.codec] ?? 8000;
  const encoder = await openEncoder(format, rate, { ptimeMs });
  try {
    const frames: Uint8Array[] = [];
    encoder.encode(compose(part, rate), payload => void frames.push(payload.slice()));
    const ms = (1000 * encoder.frameTicks) / encoder.format.clockRate;
    return {
      format: encoder.format,
      ptimeMs: ms,
      frameTicks: encoder.frameTicks,
      frames: inPhase(frames, encoder),
    };
  } finally {
    encoder.close();
  }
}

/** Everyone is at the same place of the round, whenever he began. */
function inPhase(frames: readonly Uint8Array[], { frameTicks, format }: AudioEncoder): Uint8Array[] {
  const at = (performance.now() / 1000) % ROUND_S;
  const first = Math.floor((at * format.clockRate) / frameTicks) % frames.length;
  return [...frames.slice(first), ...frames.slice(0, first)];
}

/** Mono PCM of one round. */
function compose(part: Part, rate: number): Int16Array {
  const { fromS, notes, stepS, sound } = PARTS[part];
  const pcm = new Int16Array(Math.round(ROUND_S * rate));
  notes.forEach((semitone, i) => {
    const hz = 440 * 2 ** (semitone / 12);
    const from = Math.round((fromS + i * stepS) * rate);
    const note = sound(hz, stepS, rate, i);
    note.forEach((s, j) => {
      const at = (from + j) % pcm.length;
      pcm[at] = Math.max(-32768, Math.min(32767, (pcm[at] as number) + Math.round(PEAK * s)));
    });
  });
  return pcm;
}

type Note = (hz: number, lengthS: number, rate: number, index: number) => Float32Array;

/** Decays as bells do: partials of a tube. */
function chime(hz: number, lengthS: number, rate: number): ReturnType<Note> {
  const partials = [1, 2.76, 5.4].filter(p => hz * p < rate / 2.2);
  return Float32Array.from({ length: Math.round(2.2 * lengthS * rate) }, (_, i) => {
    const t = i / rate;
    return partials.reduce(
      (sum, p, k) => sum + (0.6 / (k + 1)) * Math.exp(-t * (2 + 3 * k)) * Math.sin(2 * Math.PI * hz * p * t),
      0,
    );
  });
}

/** Wood: a short blow, and its double octave. */
function struck(hz: number, lengthS: number, rate: number): ReturnType<Note> {
  return Float32Array.from({ length: Math.round(1.3 * lengthS * rate) }, (_, i) => {
    const t = i / rate;
    const tone = Math.sin(2 * Math.PI * hz * t) + 0.35 * Math.exp(-t * 20) * Math.sin(8 * Math.PI * hz * t);
    return 0.75 * Math.min(1, t * 400) * Math.exp(-t * 6) * tone;
  });
}

/** Resonances of the mouth for a, e, i, o, u; Hz. */
const VOWELS: readonly (readonly number[])[] = [
  [730, 1090, 2440],
  [530, 1840, 2480],
  [300, 2290, 3010],
  [570, 840, 2410],
  [320, 870, 2240],
];

/** A voice without words: pulses of the vocal folds through the resonances of a vowel. */
function sung(hz: number, lengthS: number, rate: number, index: number): ReturnType<Note> {
  const length = Math.round(0.88 * lengthS * rate);
  const formants = (VOWELS[index % VOWELS.length] as readonly number[])
    .filter(f => f < rate / 2.2)
    .map(f => resonator(f, 60 + f / 15, rate));
  let phase = 0;
  const out = Float32Array.from({ length }, (_, i) => {
    const t = i / rate;
    phase += (hz * (1 + 0.008 * Math.sin(2 * Math.PI * 5 * t))) / rate;
    if (phase >= 1) phase -= 1;
    const folds = phase < 0.4 ? Math.sin((Math.PI * phase) / 0.4) ** 2 - 0.2 : -0.2;
    return (
      formants.reduce((sum, f, k) => sum + f(folds) / (k + 1), 0) * Math.sin((Math.PI * i) / length) ** 0.6
    );
  });
  const loudest = out.reduce((m, s) => Math.max(m, Math.abs(s)), 1e-9);
  return out.map(s => s / loudest);
}

/** A band of `widthHz` around `hz`. */
function resonator(hz: number, widthHz: number, rate: number): (x: number) => number {
  const r = Math.exp((-Math.PI * widthHz) / rate);
  const [a, b] = [2 * r * Math.cos((2 * Math.PI * hz) / rate), -r * r];
  let [y1, y2] = [0, 0];
  return x => {
    const y = (1 - r) * x + a * y1 + b * y2;
    y2 = y1;
    y1 = y;
    return y;
  };
}
