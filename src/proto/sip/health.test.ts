import { describe, expect, test } from 'vitest';
import { Health, type HealthOut } from './health.ts';

function world(downAfter = 2, everyMs = 30_000) {
  const health = new Health({ proxies: 2, everyMs, downAfter, random: () => 0.5 });
  const drain = (): HealthOut[] => {
    const all: HealthOut[] = [];
    for (let out = health.poll(); out !== undefined; out = health.poll()) all.push(out);
    return all;
  };
  health.handle({ type: 'start' }, 0);
  return { health, drain };
}

describe('OPTIONS health', () => {
  test('asks each, and again after a while', () => {
    const { health, drain } = world();
    health.handle({ type: 'tick' }, 0);
    expect(drain()).toEqual([
      { type: 'ping', proxy: 0 },
      { type: 'ping', proxy: 1 },
    ]);
    expect(health.deadline).toBe(Number.POSITIVE_INFINITY); // nobody is asked twice at a time
    health.handle({ type: 'pong', proxy: 0, status: 200, answered: true }, 100);
    expect(health.of(0)).toMatchObject({ state: 'up', status: 200, since: 100 });
    expect(health.deadline).toBe(30_100);
  });
  test('silence takes a proxy down after so many times, an answer brings it back', () => {
    const { health, drain } = world();
    const silence = { type: 'pong', proxy: 0, status: 408, answered: false } as const;
    health.handle(silence, 1000);
    expect(health.of(0).state).toBe('unknown');
    health.handle(silence, 2000);
    expect(health.of(0)).toMatchObject({ state: 'down', since: 2000 });
    expect(drain()).toEqual([{ type: 'changed', proxy: 0 }]);
    // 404 and the like are answers of somebody alive.
    health.handle({ type: 'pong', proxy: 0, status: 404, answered: true }, 3000);
    expect(health.of(0)).toMatchObject({ state: 'up', since: 3000 });
  });
  test('503 is down at once; what calls find counts too', () => {
    const { health } = world();
    health.handle({ type: 'call', proxy: 1, status: 503, answered: true }, 5);
    expect(health.of(1)).toMatchObject({ state: 'down', text: expect.stringContaining('503') });
    health.handle({ type: 'call', proxy: 1, status: 486, answered: true }, 6);
    expect(health.of(1).state).toBe('up');
  });
  test('without a period nobody is asked', () =>
    expect(world(2, 0).health.deadline).toBe(Number.POSITIVE_INFINITY));
});
