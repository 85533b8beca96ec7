import { expect, test } from 'vitest';
import { DtmfDetector } from './dtmf-detector.ts';

const TONES: Readonly<Record<string, readonly [number, number]>> = {
  '1': [697, 1209],
  '5': [770, 1336],
  '9': [852, 1477],
  '0': [941, 1336],
  '#': [941, 1477],
  D: [941, 1633],
};
const RATE = 8000;

/** A key of `ms`, its tones `row` and `column` loud (0 … 32767), off by `ppm`. */
function key(digit: string, ms: number, row = 5000, column = 5000, offBy = 0): Int16Array {
  const [low, high] = TONES[digit] as [number, number];
  const at = (hz: number, i: number): number => Math.sin((2 * Math.PI * hz * (1 + offBy) * i) / RATE);
  return Int16Array.from({ length: (ms * RATE) / 1000 }, (_, i) => row * at(low, i) + column * at(high, i));
}
const pause = (ms: number): Int16Array => new Int16Array((ms * RATE) / 1000);

function heard(...parts: Int16Array[]): [string, number][] {
  const all: [string, number][] = [];
  const detector = new DtmfDetector((digit, ms) => all.push([digit, ms]));
  for (const part of [...parts, pause(100)])
    for (let at = 0; at < part.length; at += 160) detector.write(part.subarray(at, at + 160));
  return all;
}

test('every key once, with its length', () => {
  const keys = heard(...Object.keys(TONES).flatMap(digit => [key(digit, 100), pause(80)]));
  expect(keys.map(([digit]) => digit).join('')).toBe(Object.keys(TONES).join(''));
  for (const [, ms] of keys) expect(Math.abs(ms - 100)).toBeLessThanOrEqual(26);
});

test('the shortest key and pause of Q.24; the same key twice', () => {
  expect(heard(key('5', 50), pause(50), key('5', 50)).map(([digit]) => digit)).toEqual(['5', '5']);
});

test('quiet phones, uneven tones, tones 1.5 % off', () => {
  expect(heard(key('9', 80, 400, 400))).toHaveLength(1);
  expect(heard(key('9', 80, 5000, 7500))).toHaveLength(1);
  expect(heard(key('9', 80, 8000, 3500))).toHaveLength(1);
  expect(heard(key('9', 80, 5000, 5000, 0.015))).toHaveLength(1);
  expect(heard(key('9', 80, 5000, 5000, -0.015))).toHaveLength(1);
});

test('no key: too short, one tone only, too uneven, silence', () => {
  expect(heard(key('1', 12))).toEqual([]);
  expect(heard(key('1', 200, 5000, 0))).toEqual([]);
  expect(heard(key('1', 200, 500, 8000))).toEqual([]);
  expect(heard(pause(1000))).toEqual([]);
});

test('no key in a voice: harmonics of 60 to 400 Hz under a moving pitch, and noise', () => {
  let phase = 0;
  const voice = Int16Array.from({ length: 10 * RATE }, (_, i) => {
    phase += (2 * Math.PI * (150 + 90 * Math.sin(i / 3000))) / RATE;
    let sample = 0;
    for (let h = 1; h < 18; h++) sample += Math.sin(h * phase) / (1 + Math.abs(h - 5));
    return 3000 * sample;
  });
  let seed = 1;
  const noise = Int16Array.from({ length: 10 * RATE }, () => {
    seed = (Math.imul(seed, 1664525) + 1013904223) | 0;
    return seed >> 18;
  });
  expect(heard(voice)).toEqual([]);
  expect(heard(noise)).toEqual([]);
});
