import { type AudioEncoder, openEncoder, type PcmRate } from '../../codecs/audio.ts';
import { decodePrompt, PROMPT_HZ } from '../../codecs/prompt/prompt.ts';
import { resampler } from '../../codecs/resample/resample.ts';
import type { Format } from '../../src/contract.ts';
import { readPrompt } from '../../src/io/prompts.ts';
import type { Tone } from './tone.ts';

/** One round of all members of the demo, s: a whole number of frames of AAC (1024 samples) and of 20 ms. */
export const ROUND_S = 14.4;
const PEAK = 32767 * 10 ** (-12 / 20);
const RATES: Readonly<Record<string, PcmRate>> = { opus: 48000, AAC: 48000, G722: 16000 };

/**
 * Who sounds how, one after the other, so that the room has an active speaker: the telephone says who it is, in the
 * next round in the next language; the others play. Semitones from A4, and their distance.
 */
export const PARTS = {
  voice: { fromS: 0.2, untilS: 6.2, spoken: ['en', 'zh'] },
  chimes: { fromS: 6.4, untilS: 9.9, notes: [0, 4, 7, 12, 7, 4, 0], stepS: 0.5, sound: chime },
  marimba: { fromS: 10.6, untilS: 14.2, notes: [-5, 0, 3, 7, 3, 10, 7, -5], stepS: 0.45, sound: struck },
} as const;
export type Part = keyof typeof PARTS;

/** A member's part, encoded once, to be sent round and round. Rejects with a Refusal when the codec cannot be had. */
export async function openPart(part: Part, format: Format, ptimeMs = 20): Promise<Tone> {
  const rate = RATES[format.codec] ?? 8000;
  const encoder = await openEncoder(format, rate, { ptimeMs });
  try {
    const frames: Uint8Array[] = [];
    encoder.encode(await perform(part, rate), payload => void frames.push(payload.slice()));
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
  const at = performance.now() / 1000;
  const first = Math.floor((at * format.clockRate) / frameTicks) % frames.length;
  return [...frames.slice(first), ...frames.slice(0, first)];
}

/** Mono PCM of one round, or of one for each language. */
async function perform(part: Part, rate: number): Promise<Int16Array> {
  const score = PARTS[part];
  if ('notes' in score) return play(score, rate);
  const round = Math.round(ROUND_S * rate);
  const pcm = new Int16Array(score.spoken.length * round);
  for (const [i, language] of score.spoken.entries()) {
    const words = decodePrompt(await readPrompt(language, 'demo-phone'));
    const most = Math.round((score.untilS - score.fromS) * rate);
    pcm.set(
      resampler(PROMPT_HZ, rate).process(words).subarray(0, most),
      i * round + Math.round(score.fromS * rate),
    );
  }
  return pcm;
}

function play({ fromS, notes, stepS, sound }: Score, rate: number): Int16Array {
  const pcm = new Int16Array(Math.round(ROUND_S * rate));
  notes.forEach((semitone, i) => {
    const hz = 440 * 2 ** (semitone / 12);
    const from = Math.round((fromS + i * stepS) * rate);
    const note = sound(hz, stepS, rate);
    note.forEach((s, j) => {
      const at = (from + j) % pcm.length;
      pcm[at] = Math.max(-32768, Math.min(32767, (pcm[at] as number) + Math.round(PEAK * s)));
    });
  });
  return pcm;
}

type Score = (typeof PARTS)['chimes' | 'marimba'];
type Note = (hz: number, lengthS: number, rate: number) => Float32Array;

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
