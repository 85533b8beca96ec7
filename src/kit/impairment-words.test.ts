import { expect, test } from 'vitest';
import type { Impairment } from './impairment.ts';
import {
  describeImpairment,
  IMPAIRMENT_WORDS,
  impairmentOf,
  readImpairment,
  wordsOf,
} from './impairment-words.ts';
import { Refusal } from './refusal.ts';

const ALL: Impairment = {
  loss: 0.3,
  burst: { ms: 80 },
  delayMs: 100,
  jitterMs: 20,
  order: 'free',
  reorder: 0.02,
  duplicate: 0.005,
  rateBps: 200_000,
  queueMs: 300,
  outages: [
    { fromMs: 5000, toMs: 8000 },
    { fromMs: 20_000, toMs: 20_500 },
  ],
};

test('every word is read and written back', () => {
  const text =
    'loss 30%, burst 80ms, delay 100ms, jitter 20ms, order free, reorder 2%, duplicate 0.5%, rate 200kbit, queue 300ms, outage 5s-8s+20s-20500ms';
  expect(impairmentOf(text)).toEqual(ALL);
  expect(describeImpairment(ALL)).toBe(text);
  expect(Object.keys(wordsOf(ALL))).toEqual(Object.keys(IMPAIRMENT_WORDS));
  expect(readImpairment(wordsOf(ALL))).toEqual(ALL);
});

test('the examples in the help are read', () => {
  for (const [word, { value }] of Object.entries(IMPAIRMENT_WORDS))
    expect(Object.keys(readImpairment({ loss: '1%', [word]: value })).length).toBeGreaterThan(0);
});

test('bursts in packets, rates in other writings, shares in binary fractions', () => {
  expect(impairmentOf('loss 7% burst 4packets')).toEqual({ loss: 0.07, burst: { packets: 4 } });
  expect(wordsOf({ loss: 0.07, burst: { packets: 4 } })).toEqual({ loss: '7%', burst: '4packets' });
  expect(['1.5Mbit', '1500k', '1500kbit/s', '1500000'].map(rate => readImpairment({ rate }).rateBps)).toEqual(
    Array.from({ length: 4 }, () => 1_500_000),
  );
  expect(describeImpairment({})).toBe('nothing');
  expect(describeImpairment({ loss: 0.29 })).toBe('loss 29%');
});

test.each([
  ['los 30%', 'A link has no los: did you mean loss?'],
  ['loss 30', 'loss 30 cannot be read: write a share from 0% to 100%.'],
  ['loss 130%', 'loss 130% cannot be read: write a share from 0% to 100%.'],
  ['loss', 'loss (nothing) cannot be read: write loss 30%.'],
  ['burst 80ms', 'burst says how losses come together, so it needs loss: loss 30%.'],
  ['loss 1% burst 0ms', 'burst 0ms cannot be read: write its mean length as 80ms or 4packets.'],
  ['delay 100', 'delay 100 cannot be read: write a time of 10s or less, such as 100ms.'],
  ['delay 11s', 'delay 11s cannot be read: write a time of 10s or less, such as 100ms.'],
  ['order none', 'order none cannot be read: write kept or free.'],
  ['rate 10', 'rate 10 cannot be read: write 1kbit to 1Gbit, such as 200kbit.'],
  ['outage 8s-5s', 'outage 8s-5s cannot be read: write from when to when, such as 5s-8s.'],
  [
    'constructor 1',
    'A link has no constructor; it has loss, burst, delay, jitter, order, reorder, duplicate, rate, queue, outage.',
  ],
])('%s is refused in words', (text, why) => {
  const read = () => impairmentOf(text);
  expect(read).toThrow(Refusal);
  expect(read).toThrow(why);
});
