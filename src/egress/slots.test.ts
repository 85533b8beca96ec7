import { describe, expect, it } from 'vitest';
import { Slots } from './slots.ts';

const all = (slots: Slots, of: number) => Array.from({ length: of }, (_, i) => slots.get(i));

describe('Slots', () => {
  it('gives each of few members a slot for good, whoever speaks', () => {
    const slots = new Slots(3);
    slots.assign(new Set(['a', 'b']), []);
    expect(all(slots, 3)).toEqual(['a', 'b', undefined]);
    slots.assign(new Set(['a', 'b', 'c']), ['c', 'b']);
    expect(all(slots, 3)).toEqual(['a', 'b', 'c']);
    slots.assign(new Set(['b', 'c']), ['b']);
    expect(all(slots, 3)).toEqual([undefined, 'b', 'c']);
    slots.assign(new Set(['b', 'c', 'd']), []);
    expect(all(slots, 3)).toEqual(['d', 'b', 'c']);
  });

  it('with more members, a speaker takes the slot of the one silent longest', () => {
    const slots = new Slots(2);
    const members = new Set(['a', 'b', 'c', 'd']);
    slots.assign(members, []);
    expect(all(slots, 2)).toEqual(['a', 'b']);
    slots.assign(members, ['b']);
    slots.assign(members, ['c', 'b']);
    expect(all(slots, 2)).toEqual(['c', 'b']);
    slots.assign(members, ['c']);
    slots.assign(members, ['d', 'c']);
    expect(all(slots, 2)).toEqual(['c', 'd']);
    slots.assign(members, []); // silence changes nothing
    expect(all(slots, 2)).toEqual(['c', 'd']);
  });

  it('with more speakers than slots, keeps the loudest', () => {
    const slots = new Slots(2);
    slots.assign(new Set(['a', 'b', 'c']), ['c', 'b', 'a']);
    expect(new Set(all(slots, 2))).toEqual(new Set(['c', 'b']));
  });
});
