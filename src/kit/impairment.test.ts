import { describe, expect, test } from 'vitest';
import { ImpairedLink, type Impairment, REORDER_MS } from './impairment.ts';

interface Arrival {
  readonly n: number;
  readonly at: number;
}

/** `count` packets, one every `everyMs`; all that came out, and when. */
function run(
  impairment: Impairment,
  {
    count = 20_000,
    everyMs = 20,
    bytes = 100,
    seed = 1,
    link = new ImpairedLink<number>(seed, impairment),
  } = {},
) {
  const out: Arrival[] = [];
  const drain = (now: number): void => {
    for (let n: number | undefined; (n = link.poll()) !== undefined; ) out.push({ n, at: now });
  };
  const until = (now: number): void => {
    while (link.deadline <= now) {
      const at = link.deadline;
      link.handle({ type: 'tick' }, at);
      drain(at);
    }
  };
  for (let n = 0; n < count; n++) {
    until(n * everyMs);
    link.handle({ type: 'packet', packet: n, bytes }, n * everyMs);
    drain(n * everyMs);
  }
  until(Number.MAX_SAFE_INTEGER);
  return { out, link, sentAt: (n: number) => n * everyMs };
}

const delays = ({ out, sentAt }: ReturnType<typeof run>): number[] => out.map(a => a.at - sentAt(a.n));

/** Lengths of the runs of numbers that are missing. */
function gaps(out: readonly Arrival[]): number[] {
  const all = out.map(a => a.n).sort((a, b) => a - b);
  return all.flatMap((n, i) => (i > 0 && n - all[i - 1]! > 1 ? [n - all[i - 1]! - 1] : []));
}

const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;
const ordered = (out: readonly Arrival[]): boolean => out.every((a, i) => i === 0 || a.n >= out[i - 1]!.n);

test('a link without impairment passes everything at once and in order', () => {
  const done = run({}, { count: 100 });
  expect(done.out.map(a => a.n)).toEqual(Array.from({ length: 100 }, (_, i) => i));
  expect(delays(done).every(d => d === 0)).toBe(true);
  expect(done.link.stats).toEqual({ packets: 100, bytes: 10_000, lost: 0, dropped: 0, duplicated: 0 });
});

test('one seed has one fate, another seed another', () => {
  const bad: Impairment = {
    loss: 0.3,
    burst: { ms: 80 },
    delayMs: 50,
    jitterMs: 30,
    duplicate: 0.1,
    reorder: 0.1,
  };
  const [a, b, c] = [run(bad, { seed: 7 }), run(bad, { seed: 7 }), run(bad, { seed: 8 })];
  expect(a.out).toEqual(b.out);
  expect(a.out).not.toEqual(c.out);
});

test('a setting does not change the luck of another one', () => {
  const lost = (i: Impairment): Set<number> => {
    const there = new Set(run(i, { count: 1000 }).out.map(a => a.n));
    return new Set(Array.from({ length: 1000 }, (_, n) => n).filter(n => !there.has(n)));
  };
  expect(lost({ loss: 0.2, delayMs: 80, jitterMs: 40, duplicate: 0.5, reorder: 0.5 })).toEqual(
    lost({ loss: 0.2 }),
  );
});

describe('independent loss', () => {
  test.each([0.01, 0.1, 0.3, 0.5, 0.7, 0.8, 0.99])('%d of the packets', loss => {
    for (const seed of [1, 2, 3]) {
      const { link, out } = run({ loss }, { seed });
      // Four standard deviations of 20 000 coins.
      expect(Math.abs(link.stats.lost / 20_000 - loss)).toBeLessThan(
        4 * Math.sqrt((loss * (1 - loss)) / 20_000),
      );
      expect(out.length).toBe(20_000 - link.stats.lost);
    }
  });
  test('has runs as long as luck makes them', () => {
    expect(mean(gaps(run({ loss: 0.3 }).out))).toBeCloseTo(1 / 0.7, 1);
  });
  test('0 loses nothing, 1 everything', () => {
    expect(run({ loss: 0 }, { count: 500 }).out.length).toBe(500);
    expect(run({ loss: 1 }, { count: 500 }).out.length).toBe(0);
    expect(run({ loss: 1, burst: { ms: 80 } }, { count: 500 }).out.length).toBe(0);
  });
});

describe('bursts', () => {
  test.each([
    [0.1, 3],
    [0.3, 4],
    [0.5, 10],
  ])('of %d in mean runs of %d packets', (loss, packets) => {
    const { link, out } = run({ loss, burst: { packets } }, { count: 100_000 });
    expect(link.stats.lost / 100_000).toBeCloseTo(loss, 1);
    expect(Math.abs(mean(gaps(out)) / packets - 1)).toBeLessThan(0.05);
  });
  test.each([0.1, 0.3, 0.5])('of %d with a mean length in ms, measured by many packets', loss => {
    const { link, out } = run({ loss, burst: { ms: 80 } }, { count: 400_000, everyMs: 1 });
    expect(Math.abs(link.stats.lost / 400_000 - loss)).toBeLessThan(0.03);
    expect(Math.abs(mean(gaps(out)) / 80 - 1)).toBeLessThan(0.1);
  });
  test('in ms do not depend on how many packets meet them', () => {
    const loss = (everyMs: number): number => {
      const { link } = run({ loss: 0.3, burst: { ms: 80 } }, { count: 50_000, everyMs });
      return link.stats.lost / 50_000;
    };
    for (const everyMs of [5, 20, 100]) expect(Math.abs(loss(everyMs) - 0.3)).toBeLessThan(0.03);
  });
  test('copies sent together share their fate', () => {
    const link = new ImpairedLink<number>(3, { loss: 0.5, burst: { ms: 80 } });
    for (let n = 0; n < 2000; n++) {
      let there = 0;
      for (const packet of [1, 2, 3]) {
        link.handle({ type: 'packet', packet, bytes: 100 }, n * 20);
        while (link.poll() !== undefined) there++;
      }
      expect([0, 3]).toContain(there);
    }
  });
  test('shorter than the share of losses allows: the shortest that keeps the share', () => {
    const { link } = run({ loss: 0.8, burst: { packets: 1 } }, { count: 50_000 });
    expect(Math.abs(link.stats.lost / 50_000 - 0.8)).toBeLessThan(0.02);
  });
});

describe('delay', () => {
  test('is the same for all without jitter', () => {
    expect(new Set(delays(run({ delayMs: 120 }, { count: 200 })))).toEqual(new Set([120]));
  });
  test('jitter keeps the order: a late packet holds up those behind it', () => {
    const done = run({ delayMs: 100, jitterMs: 60 }, { everyMs: 5 });
    expect(ordered(done.out)).toBe(true);
    const all = delays(done);
    expect(Math.min(...all)).toBeGreaterThanOrEqual(40);
    expect(Math.max(...all)).toBeLessThanOrEqual(160);
  });
  test('jitter in free order lets packets overtake, around the mean', () => {
    const done = run({ delayMs: 100, jitterMs: 60, order: 'free' }, { everyMs: 5 });
    expect(ordered(done.out)).toBe(false);
    const all = delays(done);
    expect(mean(all)).toBeCloseTo(100, -1);
    // A triangle over ±60: its deviation is 60 / √6.
    expect(Math.sqrt(mean(all.map(d => (d - 100) ** 2)))).toBeCloseTo(60 / Math.sqrt(6), 0);
  });
  test('never arrives before it was sent', () => {
    expect(Math.min(...delays(run({ delayMs: 5, jitterMs: 60, order: 'free' })))).toBe(0);
  });
});

test('a share of the packets is overtaken', () => {
  const done = run({ reorder: 0.05, delayMs: 30 });
  const late = delays(done).filter(d => d === 30 + REORDER_MS).length;
  expect(late / 20_000).toBeCloseTo(0.05, 2);
  expect(delays(done).filter(d => d !== 30 && d !== 30 + REORDER_MS)).toEqual([]);
  expect(ordered(done.out)).toBe(false);
});

test('a share of the packets comes twice, none of those that are lost', () => {
  const { out, link } = run({ duplicate: 0.1, loss: 0.5 });
  expect(link.stats.duplicated / (20_000 - link.stats.lost)).toBeCloseTo(0.1, 2);
  expect(out.length).toBe(20_000 - link.stats.lost + link.stats.duplicated);
  const counts = new Map<number, number>();
  for (const { n } of out) counts.set(n, (counts.get(n) ?? 0) + 1);
  expect(Math.max(...counts.values())).toBe(2);
});

describe('a rate', () => {
  test('passes what fits, each packet as late as it takes to send it', () => {
    // 100 B every 20 ms are 40 kbit/s.
    expect(new Set(delays(run({ rateBps: 80_000 }, { count: 100 })))).toEqual(new Set([10]));
  });
  test('passes only its rate; the rest waits for the queue and is dropped at the tail', () => {
    const done = run({ rateBps: 20_000, queueMs: 300 }, { count: 5000 });
    const seconds = 5000 * 0.02;
    expect((done.out.length * 800) / seconds).toBeCloseTo(20_000, -3);
    expect(done.link.stats.dropped).toBe(5000 - done.out.length);
    const all = delays(done);
    expect(Math.max(...all)).toBeLessThanOrEqual(300 + 40);
    expect(Math.max(...all)).toBeGreaterThan(300);
    expect(ordered(done.out)).toBe(true);
  });
  test('that is policed delays nothing, and drops as much', () => {
    const done = run({ rateBps: 20_000, queueMs: 100, policed: true }, { count: 5000 });
    expect((done.out.length * 800) / 100).toBeCloseTo(20_000, -3);
    expect(done.link.stats.dropped).toBe(5000 - done.out.length);
    expect(new Set(delays(done))).toEqual(new Set([0]));
  });
  test('is used by what is lost behind it, too', () => {
    const { out } = run({ rateBps: 20_000, loss: 0.5 }, { count: 5000 });
    expect((out.length * 800) / 100).toBeLessThan(11_000);
  });
});

test('nothing passes in an outage', () => {
  const { out, link } = run(
    {
      outages: [
        { fromMs: 100, toMs: 200 },
        { fromMs: 400, toMs: 420 },
      ],
    },
    { count: 50 },
  );
  const there = new Set(out.map(a => a.n));
  expect(Array.from({ length: 50 }, (_, n) => n).filter(n => !there.has(n))).toEqual([5, 6, 7, 8, 9, 20]);
  expect(link.stats.lost).toBe(6);
});

test('everything may change in flight; what is under way keeps its time', () => {
  const link = new ImpairedLink<string>(1, { delayMs: 100 });
  const got: [string, number][] = [];
  const at = (now: number): void => {
    link.handle({ type: 'tick' }, now);
    for (let p: string | undefined; (p = link.poll()) !== undefined; ) got.push([p, now]);
  };
  const send = (packet: string, now: number): void => link.handle({ type: 'packet', packet, bytes: 10 }, now);
  send('late', 0);
  link.handle({ type: 'set', impairment: { loss: 1 } }, 10);
  send('lost', 10);
  link.handle({ type: 'set', impairment: { outages: [{ fromMs: 0, toMs: 5 }] } }, 20);
  send('in the outage', 22);
  link.handle({ type: 'set', impairment: { order: 'free' } }, 30);
  send('quick', 30);
  for (let now = 30; now <= 100; now += 10) at(now);
  expect(got).toEqual([
    ['quick', 30],
    ['late', 100],
  ]);
  expect(link.deadline).toBe(Number.POSITIVE_INFINITY);
});

test('holds so many packets and bytes, and no more, whatever the delay', () => {
  const many = new ImpairedLink<number>(1, { delayMs: 10_000 });
  for (let i = 0; i < 30_000; i++) many.handle({ type: 'packet', packet: i, bytes: 100 }, 0);
  expect(many.stats.dropped).toBe(10_000);
  const big = new ImpairedLink<number>(1, { delayMs: 10_000 });
  for (let i = 0; i < 300; i++) big.handle({ type: 'packet', packet: i, bytes: 65_536 }, 0);
  expect(big.stats.dropped).toBe(300 - 256);
  big.handle({ type: 'tick' }, 10_000);
  while (big.poll() !== undefined);
  big.handle({ type: 'packet', packet: 1, bytes: 65_536 }, 10_000);
  expect(big.stats.dropped).toBe(300 - 256);
});
