import { describe, expect, test } from 'vitest';
import { BandwidthEstimate } from './estimate.ts';
import { SentLog } from './sent-log.ts';
import { Arrivals } from './twcc.ts';

interface Link {
  readonly bps: number;
  readonly delayMs: number;
  readonly queueMs: number;
  /** Loses every nth packet; 0: none. */
  readonly everyNth?: number;
  /** Delay that comes and goes, ms. */
  readonly jitterMs?: number;
}

/** A stream of 1200-byte packets, 30 pictures a second, over a link that changes; all in virtual time. */
class World {
  readonly estimate = new BandwidthEstimate();
  readonly #log = new SentLog();
  readonly #arrivals = new Arrivals();
  #now = 0;
  #free = 0;
  #count = 0;
  #random = 1;
  readonly #inFlight: { number: number; at: number }[] = [];
  /** The longest a packet waited in the queue lately. */
  queuedMs = 0;

  /** `rate`: what the sender sends, given the estimate. Returns the estimate at each second. */
  run(seconds: number, link: Link, rate: (estimateBps: number) => number): number[] {
    const seen: number[] = [];
    const inFlight = this.#inFlight;
    const end = this.#now + seconds * 1000;
    let feedbackAt = this.#now + 50;
    let secondAt = this.#now + 1000;
    this.queuedMs = 0;
    for (; this.#now < end; this.#now += 1000 / 30) {
      const bytes = Math.max(200, rate(this.estimate.bps) / 8 / 30);
      for (let left = bytes; left > 0; left -= 1200) this.#packet(Math.min(1200, left), link);
      inFlight.sort((a, b) => a.at - b.at);
      while (inFlight[0] && inFlight[0].at <= this.#now) {
        const { number, at } = inFlight.shift()!;
        this.#arrivals.arrived(number, at);
      }
      if (this.#now >= feedbackAt) {
        feedbackAt += 50;
        for (const f of this.#arrivals.feedback(1, 2))
          this.#log.feedback(f, this.#now + link.delayMs, this.estimate);
        this.estimate.update(this.#now + link.delayMs);
      }
      if (this.#now < secondAt) continue;
      secondAt += 1000;
      seen.push(this.estimate.bps);
    }
    return seen;
  }

  #packet(bytes: number, link: Link): void {
    const number = this.#log.next(bytes, this.#now);
    this.#free = Math.max(this.#free, this.#now);
    const wait = this.#free - this.#now;
    if (wait > link.queueMs) return; // no room left
    if (link.everyNth && ++this.#count % link.everyNth === 0) return;
    this.queuedMs = Math.max(this.queuedMs, wait);
    this.#free += (bytes * 8000) / link.bps;
    this.#random = (this.#random * 16_807) % 2_147_483_647;
    const jitter = (link.jitterMs ?? 0) * (this.#random / 2_147_483_647);
    this.#inFlight.push({ number, at: this.#free + link.delayMs + jitter });
  }
}

const wide: Link = { bps: 100e6, delayMs: 20, queueMs: 500 };

describe('estimate', () => {
  test('a wide line is never taken for narrow, and more is believed as more is sent', () => {
    const world = new World();
    const seen = world.run(20, { ...wide, jitterMs: 5 }, () => 1_500_000);
    expect(Math.min(...seen)).toBeGreaterThanOrEqual(5_000_000);
    expect(world.run(20, wide, () => 8_000_000).at(-1)).toBeGreaterThan(8_000_000);
    expect(world.estimate.narrow).toBe(false);
  });

  test('a narrow line is found within two seconds, and its queue drains once less is sent', () => {
    const world = new World();
    const narrow: Link = { bps: 300_000, delayMs: 20, queueMs: 2000 };
    world.run(2, narrow, () => 1_000_000);
    const found = world.estimate.bps;
    expect(found).toBeLessThan(450_000);
    expect(found).toBeGreaterThan(100_000);
    world.run(20, narrow, bps => Math.min(1_000_000, bps));
    const seen = world.run(30, narrow, bps => Math.min(1_000_000, bps));
    expect(Math.max(...seen)).toBeLessThan(360_000);
    expect(Math.min(...seen)).toBeGreaterThan(150_000);
    expect(world.queuedMs).toBeLessThan(200);
    expect(world.estimate.narrow).toBe(true);
  });

  test('a sender that does not heed it for long leaves it near what the line takes', () => {
    const world = new World();
    world.run(2, { ...wide, queueMs: 400 }, () => 1_000_000);
    const seen = world.run(15, { bps: 300_000, delayMs: 20, queueMs: 400 }, () => 1_000_000);
    expect(Math.min(...seen.slice(2))).toBeGreaterThan(180_000);
    expect(Math.max(...seen.slice(2))).toBeLessThan(330_000);
  });

  test('trouble is forgotten after a minute without, later when it came back', () => {
    const world = new World();
    const quiet = (): number => 200_000;
    const narrow: Link = { bps: 300_000, delayMs: 20, queueMs: 500 };
    world.run(3, narrow, () => 1_000_000);
    world.run(55, narrow, quiet);
    expect(world.estimate.narrow).toBe(true);
    world.run(15, narrow, quiet);
    expect(world.estimate.narrow).toBe(false);
    world.run(3, narrow, () => 1_000_000);
    world.run(70, narrow, quiet);
    expect(world.estimate.narrow).toBe(true);
    world.run(60, narrow, quiet);
    expect(world.estimate.narrow).toBe(false);
  });

  test('a line that got wider is found, too', () => {
    const world = new World();
    const send = (bps: number): number => Math.min(2_000_000, bps);
    world.run(10, { bps: 400_000, delayMs: 20, queueMs: 500 }, send);
    expect(world.estimate.bps).toBeLessThan(600_000);
    expect(world.run(60, wide, send).at(-1)).toBeGreaterThan(1_500_000);
  });

  test('heavy loss lowers it; a little does not', () => {
    const light = new World();
    expect(light.run(20, { ...wide, everyNth: 100 }, () => 1_000_000).at(-1)).toBeGreaterThanOrEqual(
      5_000_000,
    );
    const heavy = new World();
    expect(heavy.run(20, { ...wide, everyNth: 5 }, () => 1_000_000).at(-1)).toBeLessThan(1_500_000);
  });

  test('stays within its bounds, whatever it is told', () => {
    const estimate = new BandwidthEstimate();
    for (let i = 0; i < 1000; i++) {
      estimate.lost(50);
      estimate.arrived(i, i * 400, 1200);
      estimate.update(i * 400);
    }
    expect(estimate.bps).toBe(50_000);
  });
});
