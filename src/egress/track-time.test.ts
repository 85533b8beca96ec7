import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TrackTime } from './track-time.ts';

const SOUND_HZ = 8000;
const PICTURE_HZ = 90_000;

/** Sound and picture of one camera: captured together, timestamps from anywhere, each with its own way here. */
class Capture {
  readonly sound: TrackTime;
  readonly picture: TrackTime;
  readonly soundPts = (ms: number): number => 5_000_000 + (ms * SOUND_HZ) / 1000;
  readonly picturePts = (ms: number): number => 77 + ((ms - 700) * PICTURE_HZ) / 1000;
  constructor(group = new Set<TrackTime>()) {
    this.sound = new TrackTime(SOUND_HZ, group);
    this.picture = new TrackTime(PICTURE_HZ, group);
  }
  run(fromMs: number, toMs: number, soundMs: number, pictureMs: number): void {
    for (let ms = fromMs; ms < toMs; ms += 20) {
      this.sound.arrived(this.soundPts(ms), 1000 + ms + soundMs);
      if (ms % 40 === 0) this.picture.arrived(this.picturePts(ms), 1000 + ms + pictureMs);
    }
  }
  /** How much later the picture of one moment is shown than its sound is heard. */
  apart(ms: number): number {
    return this.picture.timeOf(this.picturePts(ms))! - this.sound.timeOf(this.soundPts(ms))!;
  }
}

describe('TrackTime', () => {
  it('knows nothing before the first arrival, and what arrives undelayed is of now', () => {
    const t = new TrackTime(SOUND_HZ);
    expect(t.timeOf(0)).toBeUndefined();
    t.clock(0, 0);
    expect(t.timeOf(0)).toBeUndefined();
    t.arrived(800, 5000);
    expect(t.timeOf(800)).toBe(5000);
    expect(t.timeOf(1600)).toBe(5100);
  });

  it('without capture clocks sound and picture are lined up by arrival', () => {
    const c = new Capture();
    c.run(0, 2000, 20, 320);
    expect(c.apart(2000)).toBeCloseTo(300);
  });

  it('with them what was captured together is together, however late one of both comes', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 700 }),
        fc.integer({ min: 0, max: 700 }),
        fc.integer({ min: -1e12, max: 1e12 }),
        (soundMs, pictureMs, epoch) => {
          const c = new Capture();
          c.run(0, 1000, soundMs, pictureMs);
          c.sound.clock(c.soundPts(500), epoch + 500);
          c.picture.clock(c.picturePts(900), epoch + 900);
          expect(c.apart(1000)).toBeCloseTo(0, 1);
          const first = Math.min(soundMs, pictureMs);
          expect(c.sound.timeOf(c.soundPts(1000))).toBeCloseTo(2000 + first, 1);
        },
      ),
    );
  });

  it('one clock alone moves nothing', () => {
    const c = new Capture();
    c.run(0, 1000, 20, 320);
    c.picture.clock(c.picturePts(900), 900);
    expect(c.apart(1000)).toBeCloseTo(300);
  });

  it('clocks that put sound and picture minutes apart are not believed', () => {
    const c = new Capture();
    c.run(0, 1000, 20, 60);
    c.sound.clock(c.soundPts(500), 0);
    c.picture.clock(c.picturePts(500), 3_600_000);
    expect(c.apart(1000)).toBeCloseTo(40);
  });

  it('another clock rate is another line; the old tie is forgotten', () => {
    const c = new Capture();
    c.run(0, 1000, 20, 220);
    c.sound.clock(c.soundPts(500), 500);
    c.picture.clock(c.picturePts(500), 500);
    c.sound.format(SOUND_HZ);
    expect(c.apart(1000)).toBeCloseTo(0);
    c.sound.format(48_000);
    expect(c.sound.timeOf(0)).toBeUndefined();
    c.sound.arrived(0, 3000);
    expect(c.sound.timeOf(0)).toBe(3000);
  });

  it('who has left the group counts no more', () => {
    const group = new Set<TrackTime>();
    const c = new Capture(group);
    c.run(0, 1000, 20, 220);
    c.sound.clock(c.soundPts(500), 500);
    c.picture.clock(c.picturePts(500), 500);
    const together = c.picture.timeOf(c.picturePts(1000))!;
    c.sound.close();
    expect(c.picture.timeOf(c.picturePts(1000))! - together).toBeCloseTo(200);
    c.picture.close();
    expect(group.size).toBe(0);
  });
});
