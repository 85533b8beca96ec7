import { expect, test } from 'vitest';
import { PictureMeter, sizeOf } from './picture-meter.ts';

/** `seconds` of 25 pictures of 4 packets of 500 bytes each. */
function play(m: PictureMeter, from: number, seconds: number): number {
  for (let i = 0; i < 25 * seconds; i++)
    for (let n = 0; n < 4; n++) m.packet(500, n === 3, from + i * 40 + n);
  return from + seconds * 1000;
}

test('pictures and bits a second, of the second before', () => {
  const m = new PictureMeter();
  expect(m.rates(0)).toEqual({ fps: 0, bitrateBps: 0 });
  const end = play(m, 1000, 4);
  expect(m.rates(end)).toEqual({ fps: 25, bitrateBps: 400_000 });
  expect(m.rates(end + 3000)).toEqual({ fps: 0, bitrateBps: 0 });
});

test('a stand-still counts once; another source is no stand-still', () => {
  const m = new PictureMeter();
  const stop = play(m, 0, 2);
  play(m, stop + 200, 2); // a hiccup: 240 ms is below 3 × 40 + 150
  expect(m.freezes).toBe(0);
  play(m, 6000, 1);
  expect(m.freezes).toBe(1);
  m.restart();
  play(m, 20_000, 1);
  expect(m.freezes).toBe(1);
});

test('sizes', () => {
  expect(sizeOf({ codec: 'VP8', clockRate: 90_000, fmtp: { 'x-size': '360x640' } })).toEqual({
    width: 360,
    height: 640,
  });
  expect(sizeOf({ codec: 'VP8', clockRate: 90_000 })).toBeUndefined();
});
