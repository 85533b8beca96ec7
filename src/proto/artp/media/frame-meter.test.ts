import { expect, it } from 'vitest';
import { END, START } from '../header.ts';
import { FrameMeter } from './frame-meter.ts';

it('counts a frame when its last packet comes, whichever that is, over every turn of the timestamp', () => {
  const meter = new FrameMeter();
  // [sequence, timestamp, marks], frames 1 (10, 11, 12), 2 (13), 3 (14, 15), over the middle and the end of 32 bits
  for (const [base, step] of [
    [0x7fffffff, 3000],
    [0xffff0000, 0x4000],
  ] as const) {
    meter.reset();
    const before = meter.complete;
    const note = (seq: number, frame: number, marks: number): number => {
      meter.note(seq, (base + frame * step) >>> 0, marks);
      return meter.complete - before;
    };
    expect(note(10, 1, START)).toBe(0);
    expect(note(12, 1, END)).toBe(0);
    expect(note(13, 2, START | END)).toBe(1);
    expect(note(15, 3, END)).toBe(1);
    expect(note(11, 1, 0)).toBe(2);
    expect(note(20, 6, START | END)).toBe(3);
    expect(note(14, 3, START)).toBe(4);
    expect(note(16, 4, START | END)).toBe(5);
    expect(note(21, 7, 0)).toBe(5);
  }
});
