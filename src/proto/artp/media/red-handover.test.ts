import { describe, expect, it } from 'vitest';
import { RedHandover } from './red-handover.ts';
import { RED_PATTERNS } from './red-patterns.ts';

const index = (...distances: number[]): number => RED_PATTERNS.findIndex(p => p.join() === distances.join());

/** Patterns in use, each for so many packets; what every packet carries again. */
function carried(...uses: (readonly [pattern: number, packets: number])[]): (readonly number[])[] {
  const handover = new RedHandover();
  return uses.flatMap(([pattern, packets]) =>
    Array.from({ length: packets }, () => RED_PATTERNS[handover.pattern(pattern)] as readonly number[]),
  );
}

describe('from one RED pattern to the next', () => {
  const ALL = [[], [1], [2], [4], [1, 2, 3], [1, 2, 3, 4, 5], [2, 4], [1, 2, 4], [1, 4, 8]];
  it.each(ALL.flatMap(a => ALL.map(b => [a, b] as const)))(
    '%o, %o: a packet of the first is carried again as often as if it had stayed, one of the second, too',
    (a, b) => {
      const packets = carried([index(...a), 20], [index(...b), 20]);
      for (let n = 0; n < packets.length - 8; n++)
        for (const distance of n < 20 ? a : b) expect(packets[n + distance]).toContain(distance);
    },
  );

  it('lasts as long as the first reaches', () => {
    const packets = carried([index(1, 2, 3, 4, 5), 10], [index(1), 10]);
    expect(packets.slice(10, 15)).toEqual(Array.from({ length: 5 }, () => [1, 2, 3, 4, 5]));
    expect(packets.slice(15)).toEqual(Array.from({ length: 5 }, () => [1]));
  });

  it('holds over several changes at once', () => {
    const packets = carried([index(1, 2, 3, 4, 5), 10], [index(2), 1], [index(4), 1], [index(1), 10]);
    for (let n = 5; n < 10; n++) for (const d of [1, 2, 3, 4, 5]) expect(packets[n + d]).toContain(d);
    expect(packets[12]).toContain(2);
    expect(packets[15]).toContain(4);
  });

  it('begins at once where nothing is to be handed over, and gives up what reaches too far', () => {
    expect(carried([0, 3], [index(1, 2), 2])).toEqual([[], [], [], [1, 2], [1, 2]]);
    expect(carried([index(4, 8, 12, 16), 3], [index(1), 1]).at(-1)).toEqual([1]);
  });
});
