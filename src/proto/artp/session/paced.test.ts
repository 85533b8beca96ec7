import { describe, expect, it } from 'vitest';
import { AUDIO_TYPE, VIDEO_TYPE } from '../header.ts';
import { Paced } from './paced.ts';

function line(bps: number) {
  const left: { at: number; type: number; mark: number }[] = [];
  const drops: string[] = [];
  const paced = new Paced(
    (bytes, _length, _spread, now) => void left.push({ at: now, type: bytes[1]! & 127, mark: bytes[2]! }),
    reason => void drops.push(reason),
  );
  paced.setRate(bps, 0);
  const send = (type: number, mark: number, now: number): void => {
    const bytes = new Uint8Array(1300);
    bytes[1] = type;
    bytes[2] = mark;
    paced.send(bytes, 1200, 'best', now);
  };
  const run = (until: number): void => {
    for (let at: number; (at = paced.deadline) <= until; ) paced.tick(at);
    paced.tick(until);
  };
  return { left, drops, paced, send, run };
}

describe('pacing', () => {
  it('spreads a key frame over the time the path needs, in order, and sound passes it', () => {
    const l = line(500_000);
    for (let mark = 0; mark < 20; mark++) l.send(VIDEO_TYPE, mark, 0);
    expect(l.left.length).toBeLessThan(8);
    l.run(30);
    const before = l.left.length;
    l.send(AUDIO_TYPE, 99, 30);
    expect(l.left).toHaveLength(before + 1);
    l.run(1000);
    const frame = l.left.filter(p => p.type === VIDEO_TYPE);
    expect(frame.map(p => p.mark)).toEqual([...Array(20).keys()]);
    // 24 kB at 1.5 × 500 kbit/s, less what may leave at once.
    expect(frame.at(-1)!.at).toBeGreaterThan(150);
    expect(frame.at(-1)!.at).toBeLessThan(300);
    expect(l.paced.deadline).toBe(Number.POSITIVE_INFINITY);
  });
  it('goes on at once when the rate rises while something waits', () => {
    const l = line(20_000);
    for (let mark = 0; mark < 10; mark++) l.send(VIDEO_TYPE, mark, 0);
    l.paced.setRate(10_000_000, 500);
    expect(l.paced.deadline).toBeLessThanOrEqual(500);
    l.paced.tick(500);
    l.run(600);
    expect(l.left).toHaveLength(10);
  });
  it('keeps little, and nothing that is too old', () => {
    const l = line(20_000);
    for (let mark = 0; mark < 300; mark++) l.send(VIDEO_TYPE, mark & 255, 0);
    expect(l.drops.filter(d => d === 'paced-full').length).toBeGreaterThan(30);
    l.run(5000);
    expect(l.drops).toContain('paced-too-late');
    expect(l.paced.deadline).toBe(Number.POSITIVE_INFINITY);
  });
});
