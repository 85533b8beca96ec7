import { describe, expect, it } from 'vitest';
import { VirtualClock } from '../../../test/harness/virtual-net.ts';
import { OPUS } from '../world.testing.ts';
import { Playout, type Sound } from './playout.ts';

/** One frame of 20 ms (RFC 6716 §3.1), and its number. */
const frame = (n: number): Buffer => Buffer.from([0x78, n & 255, n >> 8]);
const SILENCE_AFTER_MS = 1000;

interface Heard {
  readonly at: number;
  readonly what: number | 'missing' | 'silence';
  readonly next: number | undefined;
}

const numberOf = (b: Uint8Array): number => (b[1] as number) + 256 * (b[2] as number);

function opened(format = OPUS) {
  const clock = new VirtualClock(1000);
  const heard: Heard[] = [];
  let ticks = 0;
  const playout = new Playout(clock, (s: Sound, at) => {
    ticks += s.ticks;
    const next = s.type === 'missing' && s.next ? numberOf(s.next) : undefined;
    heard.push({ at, what: s.type === 'packet' ? numberOf(s.payload) : s.type, next });
  });
  playout.told({ type: 'serving', format, how: 'mix' });
  const put = (n: number): void =>
    playout.sink({ seq: n, pts: n * 960, marker: false, payload: frame(n), level: 20 }, clock.now());
  const numbers = (): Heard['what'][] => heard.map(h => h.what);
  return { clock, heard, playout, put, numbers, ticks: () => ticks };
}

describe('playout', () => {
  it('gives a block every 20 ms, in order, though every second packet comes 80 ms late and behind its successors', () => {
    const { clock, heard, put, numbers } = opened();
    for (let n = 0; n < 500; n++) {
      const late = n % 2 === 1 ? 80 : 0;
      clock.at(1000 + n * 20 + late, () => put(n));
    }
    clock.run(500 * 20);
    const settled = heard.slice(100);
    expect(settled.slice(1).map((h, i) => h.at - (settled[i] as Heard).at)).toEqual(
      settled.slice(1).map(() => 20),
    );
    const played = numbers().slice(100);
    expect(played).toEqual(played.map((_, i) => (played[0] as number) + i));
  });

  it('says what is missing, with the packet behind it, and how long everything is', () => {
    const { clock, heard, put, numbers, ticks } = opened();
    for (let n = 0; n < 50; n++) if (n !== 20) clock.at(1000 + n * 20, () => put(n));
    clock.run(900);
    expect(heard.find(h => h.what === 'missing')?.next).toBe(21);
    expect(numbers().filter(w => typeof w === 'number')).not.toContain(20);
    expect(Math.abs(ticks() - 900 * 48)).toBeLessThanOrEqual(960);
  });

  it('rests when nothing comes, begins again with the next packet, and ends for good when closed', () => {
    const { clock, heard, playout, put } = opened();
    for (let n = 0; n < 20; n++) clock.at(1000 + n * 20, () => put(n));
    clock.run(400 + SILENCE_AFTER_MS + 100);
    const { length } = heard;
    clock.run(5000);
    expect(heard).toHaveLength(length);
    for (let n = 400; n < 420; n++) clock.at(clock.now() + (n - 400) * 20, () => put(n));
    clock.run(400);
    expect(heard.slice(length).map(h => h.what)).toContain(410);
    playout.close();
    const after = heard.length;
    put(421);
    clock.run(1000);
    expect(heard).toHaveLength(after);
  });

  it('is over when the listener closes it while it plays', () => {
    const clock = new VirtualClock(1000);
    let blocks = 0;
    const playout: Playout = new Playout(clock, () => {
      blocks++;
      playout.close();
    });
    playout.told({ type: 'serving', format: OPUS, how: 'mix' });
    playout.sink({ seq: 0, pts: 0, marker: false, payload: frame(0), level: 20 }, clock.now());
    clock.run(1000);
    expect(blocks).toBe(1);
  });

  it('goes on in another format', () => {
    const { clock, playout, put, numbers } = opened({ codec: 'PCMU', clockRate: 8000 });
    const pcmu = (n: number): void =>
      playout.sink(
        { seq: n, pts: n * 160, marker: false, payload: Buffer.alloc(160, n), level: 20 },
        clock.now(),
      );
    for (let n = 0; n < 20; n++) clock.at(1000 + n * 20, () => pcmu(n));
    clock.run(400);
    playout.told({ type: 'serving', format: OPUS, how: 'mix' });
    for (let n = 300; n < 320; n++) clock.at(clock.now() + (n - 300) * 20, () => put(n));
    clock.run(400);
    expect(numbers().slice(-10)).toEqual(
      numbers()
        .slice(-10)
        .map((_, i, all) => (all[0] as number) + i),
    );
    expect(numbers().at(-1)).toBeGreaterThan(310);
  });
});
