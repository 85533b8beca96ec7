import { describe, expect, it } from 'vitest';
import type { MediaPacket } from '../contract.ts';
import { Thin } from './thin.ts';

/** 20 pictures a second of two packets of 2500 bytes (800 kbit/s); a keyframe of four at the start of each group. */
class Stream {
  now = 0;
  seq = 100;
  picture = 0;
  asked = 0;
  readonly out: MediaPacket[] = [];
  readonly thin: Thin;
  readonly #temporal: boolean;
  constructor(bps: number, temporal = false) {
    this.#temporal = temporal;
    this.thin = new Thin(
      p => void this.out.push({ ...p, frame: { ...p.frame! } }),
      bps,
      () => this.asked++,
    );
    this.thin.restart();
  }
  run(pictures: number, groups: number): void {
    for (let i = 0; i < pictures; i++, this.now += 50) {
      const key = this.picture % groups === 0;
      const packets = key ? 4 : 2;
      for (let n = 0; n < packets; n++)
        this.thin.sink(this.packet(key, n === 0, n === packets - 1), this.now);
      this.picture++;
      this.thin.tick(this.now);
    }
  }
  packet(key: boolean, start: boolean, end: boolean): MediaPacket {
    const temporal = this.#temporal && !key ? this.picture % 2 : 0;
    return {
      seq: this.seq++,
      pts: this.picture * 4500,
      marker: end,
      payload: new Uint8Array(2500),
      frame: { start, end, key, config: false, temporal },
    };
  }
  get bps(): number {
    return (this.out.reduce((n, p) => n + p.payload.length, 0) * 8000) / this.now;
  }
  /** What goes out can be decoded: whole pictures, each group from its keyframe on without a hole. */
  check(): void {
    for (const [i, p] of this.out.entries()) {
      if (i > 0) expect(p.seq).toBe(this.out[i - 1]!.seq + 1);
      const before = this.out[i - 1];
      if (before !== undefined && before.pts !== p.pts)
        expect([before.marker, p.frame!.start]).toEqual([true, true]);
      const follows = before === undefined || p.pts - before.pts <= 4500;
      if (!this.#temporal && !follows) expect(p.frame!.key).toBe(true);
    }
  }
}

describe('thinning a stream', () => {
  it('leaves all of it on a line that takes it', () => {
    const s = new Stream(1_200_000);
    s.run(200, 40);
    expect(s.out.length).toBe(s.seq - 100);
    s.check();
  });

  it('ends groups early on one that does not, and begins again with the next keyframe', () => {
    const s = new Stream(300_000);
    s.run(400, 40);
    s.check();
    expect(s.bps).toBeLessThan(330_000);
    expect(s.bps).toBeGreaterThan(150_000);
    expect(s.out.filter(p => p.frame!.key && p.frame!.start).length).toBe(10);
  });

  it('asks for a keyframe when none comes, every four seconds at most', () => {
    const s = new Stream(300_000);
    s.run(400, 10_000);
    expect(s.asked).toBeGreaterThanOrEqual(4);
    expect(s.asked).toBeLessThanOrEqual(5);
  });

  it('leaves out pictures nothing refers to before anything else', () => {
    const s = new Stream(600_000, true);
    s.run(400, 400);
    s.check();
    expect(new Set(s.out.map(p => p.frame!.temporal))).toEqual(new Set([0, 1])); // as long as there is credit
    expect(s.out.filter(p => p.frame!.temporal === 0 && p.marker).length).toBe(200);
    expect(s.bps).toBeLessThan(630_000);
  });

  it('a straggler of the picture at hand keeps its place, an older one is dropped', () => {
    const s = new Stream(300_000);
    const [a, b, c] = [true, false, false].map((start, i) => s.packet(true, start, i === 2)) as [
      MediaPacket,
      MediaPacket,
      MediaPacket,
    ];
    for (const p of [a, c, b]) s.thin.sink(p, 0);
    expect(s.out.map(p => p.seq)).toEqual([100, 102, 101]);
    s.picture++;
    s.run(1, 10_000);
    s.thin.sink(b, 100);
    expect(s.out.map(p => p.seq)).toEqual([100, 102, 101, 103, 104]);
  });
});
