import { expect, test } from 'vitest';
import { DtmfReceiver } from './dtmf.ts';

const event = (code: number, duration: number, end = false): Uint8Array =>
  Uint8Array.of(code, (end ? 0x80 : 0) | 10, duration >> 8, duration & 255);

/** Feeds packets 20 ms apart and lists the keys told. */
function keys(packets: readonly (readonly [payload: Uint8Array, timestamp: number])[], clockRate = 8000) {
  const dtmf = new DtmfReceiver();
  return packets.flatMap(([p, t], i) => {
    const key = dtmf.packet(p, t, clockRate, 5000 + i * 20);
    return key ? [`${key.digit} ${key.ms}`] : [];
  });
}

test('a key is told once, at its end, although the end comes three times', () => {
  expect(
    keys([
      [event(5, 160), 900],
      [event(5, 320), 900],
      [event(5, 480, true), 900],
      [event(5, 480, true), 900],
      [event(5, 480, true), 900],
    ]),
  ).toEqual(['5 60']);
});

test('the same key twice is two keys', () => {
  expect(
    keys([
      [event(1, 400, true), 900],
      [event(1, 400, true), 2900],
    ]),
  ).toEqual(['1 50', '1 50']);
});

test('all sixteen keys, in a clock of 48000', () => {
  const told = keys(
    Array.from({ length: 16 }, (_, i) => [event(i, 4800, true), i * 9000] as const),
    48_000,
  );
  expect(told.map(k => k[0]).join('')).toBe('0123456789*#ABCD');
  expect(told[0]).toBe('0 100');
});

test('a lost end: the next key, or time, ends it', () => {
  expect(
    keys([
      [event(1, 800), 900],
      [event(2, 160), 5000],
      [event(2, 320, true), 5000],
    ]),
  ).toEqual(['1 100', '2 40']);
  const dtmf = new DtmfReceiver();
  expect(dtmf.deadline).toBe(Number.POSITIVE_INFINITY);
  dtmf.packet(event(11, 800), 900, 8000, 1000);
  expect(dtmf.deadline).toBe(1200);
  expect(dtmf.overdue(1199)).toBeUndefined();
  expect(dtmf.overdue(1200)).toEqual({ digit: '#', ms: 100 });
  expect(dtmf.overdue(9999)).toBeUndefined();
  expect(dtmf.packet(event(11, 900, true), 900, 8000, 1300)).toBeUndefined();
});

test('a straggler of the key before is not a key', () => {
  expect(
    keys([
      [event(1, 400, true), 900],
      [event(2, 400, true), 2900],
      [event(1, 400, true), 900],
    ]),
  ).toEqual(['1 50', '2 50']);
});

test('timestamps wrap', () => {
  expect(
    keys([
      [event(1, 400, true), 2 ** 32 - 500],
      [event(2, 400, true), 700],
    ]),
  ).toEqual(['1 50', '2 50']);
});

test('a key held for ten seconds is one key', () => {
  expect(
    keys([
      [event(3, 0xffff), 100],
      [event(3, 14_465, true), 100 + 0xffff],
    ]),
  ).toEqual(['3 10000']);
});

test('short packets and events that are no keys (flash, tones) are nothing', () => {
  expect(
    keys([
      [Uint8Array.of(1, 0x80), 1],
      [event(16, 800, true), 900],
      [event(66, 800, true), 900],
    ]),
  ).toEqual([]);
});
