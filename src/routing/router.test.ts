import { describe, expect, it } from 'vitest';
import type { Impairment } from '../kit/impairment.ts';
import { NO_TAG } from '../proto/artp/relay/connection-id.ts';
import { longestGap, TAGS, world } from './world.testing.ts';

type World = ReturnType<typeof world>;
const pair = (w: World, from: 0 | 1 | 2, to: number) =>
  w.routers[from].core.views(w.net.clock.now()).find(p => p.tag === to)!;
/** Both directions of the call between `a` and `b`: via which router it goes. */
const ways = (w: World) => [pair(w, 0, TAGS.b).chosen, pair(w, 1, TAGS.a).chosen];
const switches = (w: World) => [pair(w, 0, TAGS.b), pair(w, 1, TAGS.a)].map(p => p.switchesLastHour);
const heardBoth = (w: World, from: number, to: number) =>
  [w.client, w.server].map(end => longestGap(end.heard, from, to));

function called(seed: number): World {
  const w = world(seed);
  w.net.clock.run(3000); // routers know each other
  w.client.bindAt(w.a, w.ticket, w.random);
  w.net.clock.run(2000);
  return w;
}

describe('a call between two routers', () => {
  it('is relayed both ways by the direct path, untouched but for the routers counted', () => {
    const w = called(1);
    expect(ways(w)).toEqual([NO_TAG, NO_TAG]);
    for (const end of [w.client, w.server]) {
      expect(end.heard.length).toBeGreaterThan(90);
      expect(new Set(end.heard.map(h => h.number)).size).toBe(end.heard.length);
      expect(end.heard.every(h => h.hops === 2)).toBe(true);
    }
    expect(w.server.heard.every(h => h.from === w.b.address)).toBe(true);
    expect(w.client.heard.every(h => h.from === w.a.address)).toBe(true);
  });

  const bad: readonly [string, Impairment][] = [
    ['150 ms', { delayMs: 170 }],
    ['20 % loss', { delayMs: 20, loss: 0.2 }],
    ['20 % loss in bursts of 100 ms', { delayMs: 20, loss: 0.2, burst: { ms: 100 } }],
    ['an outage', { loss: 1 }],
  ];
  it.each(bad)(
    'leaves a direct path with %s without a gap, and comes back once, when it heals',
    (_, impairment) => {
      for (const seed of [1, 2]) {
        const w = called(seed);
        const { clock } = w.net;
        const began = clock.now();
        w.net.impair(w.a.address, w.b.address, impairment);
        clock.run(20_000);
        expect(ways(w)).toEqual([TAGS.c, TAGS.c]);
        clock.run(20_000);
        expect(ways(w)).toEqual([TAGS.c, TAGS.c]);
        w.net.impair(w.a.address, w.b.address, { delayMs: 20 });
        clock.run(30_000);
        expect(ways(w)).toEqual([NO_TAG, NO_TAG]);
        clock.run(20_000);
        for (const gap of heardBoth(w, began, clock.now())) expect(gap).toBeLessThanOrEqual(300);
        expect(switches(w)).toEqual([2, 2]);
      }
    },
  );

  it('does not flap over minutes of jitter and some loss everywhere', () => {
    for (const seed of [4, 5]) {
      const w = called(seed);
      const began = w.net.clock.now();
      for (const [x, y] of [
        [w.a, w.b],
        [w.a, w.c],
        [w.b, w.c],
      ] as const)
        w.net.impair(x.address, y.address, { delayMs: 40, jitterMs: 25, loss: 0.05 });
      w.net.clock.run(180_000);
      for (const n of switches(w)) expect(n).toBeLessThanOrEqual(1);
      for (const gap of heardBoth(w, began, w.net.clock.now())) expect(gap).toBeLessThanOrEqual(300);
    }
  });

  it('does not flap over ten minutes of a direct path that is dead every other five seconds', () => {
    const w = called(9);
    const { clock } = w.net;
    // So much slower that the direct one is better by all means whenever it lives.
    const slower = 160;
    for (const x of [w.a, w.b]) w.net.impair(x.address, w.c.address, { delayMs: (20 + slower) / 2 });
    const began = clock.now();
    let isDead = false;
    clock.every(5000, () => {
      isDead = !isDead;
      w.net.impair(w.a.address, w.b.address, isDead ? { loss: 1 } : { delayMs: 20 });
    });
    clock.run(600_000);
    for (const n of switches(w)) expect(n).toBeLessThanOrEqual(6);
    for (const gap of heardBoth(w, began, clock.now())) expect(gap).toBeLessThanOrEqual(300 + slower);
  });

  it('goes on when the router between dies while in use', () => {
    const w = called(6);
    w.net.impair(w.a.address, w.b.address, { delayMs: 250 });
    w.net.clock.run(15_000);
    expect(ways(w)).toEqual([TAGS.c, TAGS.c]);
    const died = w.net.clock.now();
    w.routers[2].close();
    w.net.clock.run(5000);
    expect(ways(w)).toEqual([NO_TAG, NO_TAG]);
    for (const gap of heardBoth(w, died, w.net.clock.now())) expect(gap).toBeLessThanOrEqual(700);
  });

  it('keeps the most disjoint path hot, not the second fastest', () => {
    const w = world(8, ['d']);
    const { clock } = w.net;
    clock.run(3000);
    w.client.bindAt(w.a, w.ticket, w.random);
    clock.run(5000);
    expect(pair(w, 0, TAGS.b).standby).toBe(TAGS.c); // nothing is lost anywhere: the faster one
    // The direct line and that to C lie in one trench: both are broken at the same times.
    const gaps = Array.from({ length: 200 }, (_, i) => ({ fromMs: 1000 * i, toMs: 1000 * i + 60 }));
    w.net.impair(w.a.address, w.b.address, { delayMs: 20, outages: gaps });
    w.net.impair(w.a.address, w.c.address, { delayMs: 15, outages: gaps });
    clock.run(9000);
    const { chosen, standby, paths } = pair(w, 0, TAGS.b);
    expect([chosen, standby]).toEqual([NO_TAG, TAGS.d]);
    expect(paths.find(p => p.via === TAGS.c)?.correlation).toBeGreaterThan(0.8);
    expect(paths.find(p => p.via === TAGS.d)?.correlation).toBeCloseTo(0, 1);
  });

  it('follows a client to its new address', () => {
    const w = called(7);
    const { clock } = w.net;
    w.net.impair('10.1.0.9', w.a.address, { delayMs: 5 });
    const moved = clock.now();
    w.client.move('10.1.0.9');
    clock.run(1000);
    expect(longestGap(w.server.heard, moved, clock.now())).toBeLessThanOrEqual(300);
    expect(longestGap(w.client.heard, moved, clock.now())).toBeLessThanOrEqual(300);
    expect(w.routers[0].core.bindings).toBe(1);
  });
});
