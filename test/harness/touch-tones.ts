import type { Sound } from './wav.ts';

/** ITU-T Q.23. */
const KEYS: Readonly<Record<string, readonly [number, number]>> = {
  '1': [697, 1209],
  '4': [770, 1209],
  '7': [852, 1209],
  '#': [941, 1477],
};
const AMPLITUDE = 0.2;
/** Long enough for the call to be up and the keys not to be the first that is heard. */
const BEFORE_MS = 2500;
const [KEY_MS, GAP_MS] = [120, 100];

/** Silence, the keys as tones, then `rest`. */
export function keysThen(keys: string, rest: Sound): Sound {
  const { rateHz } = rest;
  const of = (ms: number): number => Math.round((ms * rateHz) / 1000);
  const parts = [new Float32Array(of(BEFORE_MS))];
  for (const key of keys) {
    const [row, column] = KEYS[key] as readonly [number, number];
    const at = (hz: number, i: number): number => AMPLITUDE * Math.sin((2 * Math.PI * hz * i) / rateHz);
    parts.push(Float32Array.from({ length: of(KEY_MS) }, (_, i) => at(row, i) + at(column, i)));
    parts.push(new Float32Array(of(GAP_MS)));
  }
  parts.push(new Float32Array(rest.samples));
  const samples = new Float32Array(parts.reduce((n, p) => n + p.length, 0));
  let at = 0;
  for (const part of parts) {
    samples.set(part, at);
    at += part.length;
  }
  return { rateHz, samples };
}
