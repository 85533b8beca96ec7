import { expect, it } from 'vitest';
import { Seen, tagBefore } from './seen.ts';

it('a copy is known by number and tag; another packet of that number is forged', () => {
  const seen = new Seen(64);
  expect(seen.check(5, 0xdeadbeef)).toBe('new');
  seen.accept(5, 0xdeadbeef);
  expect(seen.check(5, 0xdeadbeef)).toBe('known');
  expect(seen.check(5, 0xdeadbeee)).toBe('forged');
  expect(seen.check(4, 0xdeadbeef)).toBe('new');
  // 69 takes the slot of 5, which is then beyond the window.
  seen.accept(69, 7);
  expect([seen.check(5, 7), seen.check(5, 0xdeadbeef), seen.check(69, 7)]).toEqual([
    'too-old',
    'too-old',
    'known',
  ]);
  expect(seen.highest).toBe(69);
});

it('a window taken from it goes its own way', () => {
  const seen = new Seen(32);
  seen.accept(1, 1);
  const window = seen.window();
  window.accept(2);
  expect([window.check(1), window.check(2), seen.check(2, 0)]).toEqual(['replayed', 'replayed', 'new']);
});

it('the tag is read as an unsigned number from the end', () => {
  const packet = Uint8Array.of(9, 0xff, 0xee, 0xdd, 0xcc, 1);
  expect(tagBefore(packet, 5)).toBe(0xffeeddcc);
});
