import { describe, expect, it } from 'vitest';
import { tileSize } from '../../web/layout.ts';
import { judge, worse } from '../../web/quality.ts';

describe('tiles', () => {
  it('fill a wide stage in 16:9', () => {
    expect(tileSize(1, 1600, 900)).toEqual({ width: 1600, height: 900 });
    const { width, height } = tileSize(4, 1608, 908);
    expect([width, height]).toEqual([800, 450]);
  });

  it('become squarer on an upright telephone', () => {
    expect(tileSize(4, 344, 520)).toEqual({ width: 168, height: 168 });
  });

  it.each([1, 2, 3, 5, 9])('%i of them stay inside every stage', count => {
    for (const [width, height] of [
      [950, 600],
      [344, 520],
      [628, 270],
    ] as const) {
      const tile = tileSize(count, width, height);
      const columns = Math.floor((width + 8) / (tile.width + 8));
      const rows = Math.ceil(count / columns);
      expect(columns).toBeGreaterThan(0);
      expect(rows * (tile.height + 8) - 8).toBeLessThanOrEqual(height);
    }
  });

  it('scroll rather than shrink to stamps, and never have a size below nothing', () => {
    expect(tileSize(16, 344, 200).width).toBeGreaterThanOrEqual(132);
    expect(tileSize(3, 0, 0)).toEqual({ width: 0, height: 0 });
    expect(tileSize(0, 500, 300).width).toBe(500);
  });
});

describe('quality', () => {
  it('is as good as the worst figure', () => {
    expect(judge({}).grade).toBe('good');
    expect(judge({ lossPercent: 0.5, jitterMs: 10, rttMs: 40 }).grade).toBe('good');
    expect(judge({ lossPercent: 2, jitterMs: 10 }).grade).toBe('fair');
    expect(judge({ rttMs: 600, lossPercent: 0 }).grade).toBe('poor');
    expect(judge({ freezes: 1 }).grade).toBe('fair');
  });

  it('of two streams is the worse, figure by figure', () => {
    expect(worse({ lossPercent: 1, jitterMs: 30 }, { jitterMs: 5, rttMs: 9 })).toEqual({
      lossPercent: 1,
      jitterMs: 30,
      rttMs: 9,
    });
  });
});
