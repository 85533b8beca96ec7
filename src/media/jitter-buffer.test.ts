import { describe, expect, it } from 'vitest';
import type { MediaPacket } from '../contract.ts';
import { JitterBuffer } from './jitter-buffer.ts';

const CLOCK = 8000;
const BLOCK = 160;

/** A stream of numbered packets through a buffer, on a virtual clock; each payload begins with its number. */
class Line {
  readonly buffer: JitterBuffer;
  readonly played: (number | 'missing' | 'empty')[] = [];
  now = 1000;
  #ahead = 0;
  readonly #ticks: number;
  constructor(packetMs = 20) {
    this.#ticks = packetMs * 8;
    this.buffer = new JitterBuffer(CLOCK, p => (p.length === 1 ? 0 : this.#ticks));
  }
  put(n: number, o: Partial<MediaPacket> & { at?: number } = {}): void {
    const payload = new Uint8Array([n & 255, n >> 8]);
    const packet = { seq: 500 + n, pts: 77_000 + n * this.#ticks, marker: false, payload, level: 20, ...o };
    this.buffer.insert(packet, o.at ?? this.now);
    payload.fill(255); // the buffer must have its own copy
  }
  /** Plays one block of 20 ms at `now`, then 20 ms pass. */
  block(): void {
    while (this.#ahead < BLOCK) {
      const got = this.buffer.next(this.now);
      this.played.push(typeof got === 'string' ? got : got.payload[0]! + got.payload[1]! * 256);
      this.#ahead += this.buffer.ticks;
    }
    this.#ahead -= BLOCK;
    this.now += 20;
  }
  /** Plays on to the end of what was put in. */
  drain(blocks = 12): (number | string)[] {
    for (let i = 0; i < blocks; i++) this.block();
    return this.numbers();
  }
  numbers(): (number | string)[] {
    const first = this.played.findIndex(p => p !== 'empty');
    const last = this.played.findLastIndex(p => typeof p === 'number');
    return first < 0 ? [] : this.played.slice(first, last + 1);
  }
}

const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i);
/** The same in every run. */
const random = (seed: number) => (): number => {
  seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
  return seed / 2 ** 32;
};

describe('JitterBuffer', () => {
  it('plays a smooth stream in order, 40 ms after it came', () => {
    const line = new Line();
    for (let n = 0; n < 50; n++) {
      line.put(n);
      line.block();
    }
    expect(line.played.slice(0, 3)).toEqual(['empty', 'empty', 0]);
    expect(line.drain()).toEqual(range(0, 50));
  });

  it.each([10, 40, 60])('takes packets of %i ms', packetMs => {
    const line = new Line(packetMs);
    for (let ms = 0, n = 0; ms < 1200; ms += 20) {
      for (; n * packetMs <= ms; n++) line.put(n);
      line.block();
    }
    expect(line.drain()).toEqual(range(0, line.numbers().length));
    expect(line.numbers().length).toBe(packetMs === 10 ? 119 : 1200 / packetMs);
  });

  it('tells a lost packet, with the one behind it, and keeps the time', () => {
    const line = new Line();
    for (let n = 0; n < 20; n++) {
      if (n !== 10) line.put(n);
      line.block();
      if (line.played.at(-1) === 'missing') expect(line.buffer.successor?.seq).toBe(511);
    }
    expect(line.drain()).toEqual([...range(0, 10), 'missing', ...range(11, 20)]);
  });

  it('puts reordered packets right and plays duplicates once', () => {
    const line = new Line();
    for (const n of [0, 2, 1, 3, 3, 5, 4, 6]) line.put(n, { at: line.now + n * 20 });
    expect(line.drain()).toEqual(range(0, 7));
    expect(line.buffer.drops.get('duplicate')).toBe(1);
    line.put(6);
    expect(line.buffer.drops.get('late')).toBe(1);
  });

  it('holds one that comes first too late but not the others', () => {
    const line = new Line();
    for (let n = 0; n < 30; n++) {
      if (n !== 8) line.put(n);
      if (n === 12) line.put(8);
      line.block();
    }
    expect(line.drain()).toEqual([...range(0, 8), 'missing', ...range(9, 30)]);
    expect(line.buffer.drops.get('late')).toBe(1);
  });

  it('plays what is often late though nobody pauses: the play-out point waits in a hole', () => {
    const line = new Line();
    const coming = range(0, 500).map(n => ({ n, at: 1000 + n * 20 + (n % 2) * 80 }));
    coming.sort((a, b) => a.at - b.at);
    for (let next = 0; line.now < 1000 + 500 * 20; line.block())
      for (; next < 500 && coming[next]!.at <= line.now; next++) line.put(coming[next]!.n, coming[next]!);
    const settled = line.numbers().slice(100);
    expect(settled.length).toBeGreaterThan(350);
    expect(settled).toEqual(range(settled[0] as number, (settled[0] as number) + settled.length));
  });

  it('is empty before the first packet', () => {
    const line = new Line();
    line.block();
    expect(line.played).toEqual(['empty']);
  });

  it('copies: the sender may reuse its bytes', () => {
    const line = new Line();
    line.put(300);
    expect(line.drain()).toEqual([300]);
  });

  it('takes a pause without a hole in the sequence for silence, not for loss', () => {
    const line = new Line();
    for (let n = 0; n < 10; n++) line.put(n, { at: line.now + n * 20 });
    for (let n = 10; n < 20; n++) line.put(n, { at: line.now + (n + 4) * 20, pts: 77_000 + (n + 4) * BLOCK });
    expect(line.drain(30)).toEqual([...range(0, 10), 'empty', 'empty', 'empty', 'empty', ...range(10, 20)]);
  });

  it('conceals 60 ms when the sender stops, then is silent, then goes on with the same delay', () => {
    const line = new Line();
    for (let n = 0; n < 100; n++) {
      if (n < 30 || n >= 60) line.put(n, { seq: 500 + (n < 30 ? n : n - 30) });
      line.block();
    }
    const played = line.drain();
    expect(played.slice(0, 30)).toEqual(range(0, 30));
    expect(played.slice(30, 33)).toEqual(['missing', 'missing', 'missing']);
    expect(played.slice(33).filter(p => p !== 'empty')).toEqual(range(60, 100));
    const delays = line.played.map((p, i) => (typeof p === 'number' ? i - p : -1)).filter(d => d >= 0);
    expect(delays[0]).toBe(2);
    expect(Math.abs(delays.at(-1)! - 2)).toBeLessThanOrEqual(1);
  });

  it('grows its delay with jitter and shrinks it in silence', () => {
    const line = new Line();
    const next = random(7);
    const coming: { n: number; at: number }[] = [];
    for (let n = 0; n < 3000; n++) {
      const jitterMs = n < 1500 ? next() * 80 : 0;
      coming.push({ n, at: 1000 + n * 20 + jitterMs });
    }
    coming.sort((a, b) => a.at - b.at);
    const targets: number[] = [];
    const lost = { early: 0, settled: 0 };
    for (let i = 0; i < 3000; i++) {
      while (coming[0] !== undefined && coming[0].at <= line.now) {
        const { n, at } = coming.shift()!;
        line.put(n, { at, level: n % 100 < 20 ? 90 : 20 });
      }
      line.block();
      targets.push(line.buffer.targetMs);
      if (i === 200) lost.early = line.buffer.drops.get('late');
      if (i === 1490) lost.settled = line.buffer.drops.get('late') - lost.early;
    }
    expect(targets[1490]).toBeGreaterThan(80);
    expect(targets[1490]).toBeLessThanOrEqual(120);
    expect(lost.settled).toBeLessThan(60); // of 1290
    expect(targets.at(-1)).toBe(20);
    const delay = line.played.length - 1 - (line.played.at(-1) as number);
    expect(delay).toBeLessThanOrEqual(3);
  });

  it.each([1.002, 0.998])('follows a clock that runs at %f', speed => {
    const line = new Line();
    let n = 0;
    for (let i = 0; i < 15_000; i++) {
      for (; 1000 + n * 20 * speed <= line.now; n++) line.put(n, { level: n % 50 < 5 ? 90 : 20 });
      line.block();
    }
    const numbers = line.played.filter(p => typeof p === 'number');
    expect(n - (numbers.at(-1) as number)).toBeLessThanOrEqual(5); // neither runs away nor falls behind
    expect(line.played.filter(p => p === 'missing').length).toBeLessThan(20);
  });

  it('goes on after the source begins anew', () => {
    const line = new Line();
    for (let n = 0; n < 40; n++) {
      if (n < 20) line.put(n);
      else line.put(n, { seq: n, pts: 9_000_000 + n * BLOCK });
      line.block();
    }
    expect(line.drain().filter(p => typeof p === 'number')).toEqual([...range(0, 18), ...range(20, 40)]);
    expect(line.buffer.drops.get('restart')).toBe(1);
  });

  it('throws old sound away when a stall ends in a burst', () => {
    const line = new Line();
    for (let n = 0; n < 20; n++) {
      line.put(n);
      line.block();
    }
    line.now += 400;
    for (let n = 20; n < 40; n++) line.put(n);
    for (let n = 40; n < 80; n++) {
      line.put(n);
      line.block();
    }
    const delay = line.played.slice(-10).map((p, i, all) => 79 - (all.length - 1 - i) - (p as number));
    expect(Math.max(...delay)).toBeLessThanOrEqual(5);
  });

  it('stays bounded whatever comes', () => {
    const line = new Line();
    const next = random(3);
    for (let i = 0; i < 20_000; i++) {
      line.put(0, {
        seq: Math.floor(next() * 5000),
        pts: Math.floor(next() * 1e6),
        payload: new Uint8Array(Math.floor(next() * 4000)),
      });
      if (next() < 0.3) line.block();
    }
    expect(line.buffer.drops.get('junk')).toBeGreaterThan(0);
    expect(line.buffer.targetMs).toBeLessThanOrEqual(120);
  });
});
