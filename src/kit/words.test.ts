import { expect, test } from 'vitest';
import { formatDuration, parseDuration } from './duration.ts';
import { nearest } from './nearest.ts';

test.each([
  ['20ms', 20],
  ['120s', 120_000],
  ['1.5s', 1500],
  ['5m', 300_000],
  ['2h', 7_200_000],
  ['1d', 86_400_000],
  ['0s', 0],
])('%s is %d ms', (text, ms) => expect(parseDuration(text)).toBe(ms));

test.each(['', '20', 'ms', '-1s', '1 s', '1e3s', 'Infinitys', '5M', '1s '])('%j is no duration', text =>
  expect(parseDuration(text)).toBeUndefined(),
);

test('durations are written in their largest exact unit', () => {
  expect([0, 20, 1500, 90_000, 120_000, 7_200_000].map(formatDuration)).toEqual([
    '0ms',
    '20ms',
    '1500ms',
    '90s',
    '2m',
    '2h',
  ]);
});

test('the nearest word is found through a typo, a swap and a wrong case', () => {
  const known = ['port', 'address', 'externalAddress'];
  expect(nearest('prot', known)).toBe('port');
  expect(nearest('adress', known)).toBe('address');
  expect(nearest('EXTERNALADDRESS', known)).toBe('externalAddress');
});

test('nothing is suggested when nothing is near', () => {
  expect(nearest('banana', ['port', 'address'])).toBeUndefined();
  expect(nearest('x', ['port'])).toBeUndefined();
  expect(nearest('', [])).toBeUndefined();
});
